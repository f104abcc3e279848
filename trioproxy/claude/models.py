"""The models that the CLI offers, from what it says of itself at `initialize`."""

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from trioproxy.claude.wire import Line

LONG = "[1m]"
"""What stands behind the name of a model with the CLI, to ask for a long context."""

_DEFAULT = "default"


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
            (item for item in self.listed if bare == item.id or bare in item.aliases), None
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
