"""The models that the CLI lists in its response to `initialize`, and which one a turn means."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from trioproxy.claude.turn import Turn
from trioproxy.claude.wire import Line
from trioproxy.errors import InvalidRequest, UnknownModel
from trioproxy.refusals import Refusal

LONG = "[1m]"
"""The suffix of a model's name that asks the CLI for a long context."""

_DEFAULT = "default"
_ID_PREFIX = "claude-"
_THOUGHTS = {"thinking", "redacted_thinking"}


@frozen
class Model:
    """A model of the CLI's list: its id, how it is called, and the short names that mean it."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()


@frozen
class Models:
    """The models in the order in which the CLI offers them."""

    listed: tuple[Model, ...] = ()

    def find(self, name: str) -> Model | None:
        """The model of this id or short name, in any case; `[1m]` behind it does not count."""
        bare = name.strip().lower().removesuffix(LONG)
        return next(
            (model for model in self.listed if bare == model.id or bare in model.aliases), None
        )

    def label(self, name: str) -> str:
        """The id of this model for metrics; "other" for a name that may be a caller's text."""
        model = self.find(name)
        return "other" if model is None else model.id


def needs_models(turn: Turn, offered: Iterable[str] | None) -> bool:
    """Whether `resolve` depends on the CLI's list of models. `offered`: see `resolve`."""
    is_unknown = offered is not None and not turn.model.startswith(_ID_PREFIX)
    return is_unknown or _has_thoughts(turn)


def resolve(turn: Turn, models: Models, offered: Iterable[str] | None = None) -> Turn:
    """The turn with its model's id in place of a short name, where the CLI lists it.

    The CLI knows short names itself, but drops the thoughts of any model but that very id.
    `offered`: other names that callers may use, where an unlisted model is refused; None: the API
    judges. Raises `UnknownModel`, or `InvalidRequest` for thoughts of a model without an id.
    """
    model = models.find(turn.model)
    if model is not None:
        return evolve(turn, model=model.id + LONG * turn.model.lower().endswith(LONG))
    if turn.model.startswith(_ID_PREFIX):
        return turn
    if offered is not None:
        known = ", ".join([model.id for model in models.listed] + sorted(offered))
        raise UnknownModel(
            f"The model `{turn.model}` does not exist here. Known are: {known}. "
            "`[openai] models` maps other names."
        )
    if _has_thoughts(turn):
        reason = "thoughts in the conversation need the model's id, which begins with claude-"
        raise InvalidRequest(Refusal.THOUGHTS_NEED_A_MODEL_ID, reason, path="model")
    return turn


def _has_thoughts(turn: Turn) -> bool:
    return any(
        block["type"] in _THOUGHTS for message in turn.messages for block in message.content
    )


def read_models(initialized: Line) -> Models:
    """The models in the answer to `initialize`; one model may stand there under several names."""
    listed = initialized.get("models")
    entries = (
        [model for model in listed if isinstance(model, dict)] if isinstance(listed, list) else []
    )
    by_id: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        model_id = entry.get("resolvedModel") or entry.get("value")
        if isinstance(model_id, str):
            by_id.setdefault(model_id.removesuffix(LONG), []).append(entry)
    return Models(tuple(_model(model_id, same) for model_id, same in by_id.items()))


def _model(model_id: str, entries: Iterable[dict[str, Any]]) -> Model:
    aliases = [str(entry["value"]) for entry in entries if isinstance(entry.get("value"), str)]
    named = [entry for entry in entries if entry.get("value") != _DEFAULT]
    shown = next((str(entry.get("description") or "") for entry in named), "")
    name, mark, _ = shown.partition(" \u00b7 ")
    title = name if mark else next((str(entry.get("displayName")) for entry in named), model_id)
    return Model(model_id, f"Claude {title}", tuple(a for a in aliases if a != model_id))
