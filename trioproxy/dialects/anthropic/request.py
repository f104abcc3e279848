"""A request to the Messages API: its body as a `Turn`.

Source: https://docs.anthropic.com/en/api/messages.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import field, frozen

from trioproxy.claude.models import Models
from trioproxy.claude.turn import Turn
from trioproxy.dialects.anthropic.cache_control import with_breakpoints
from trioproxy.dialects.anthropic.images import image_notes
from trioproxy.dialects.anthropic.messages import read_messages
from trioproxy.dialects.anthropic.names import DROPPED_BETAS, is_model, read_betas
from trioproxy.dialects.anthropic.parameters import PARAMETERS, check_names, passed_on
from trioproxy.dialects.anthropic.system import read_system
from trioproxy.dialects.anthropic.tool_references import with_loaded_tools
from trioproxy.dialects.json_checks import has_large_number, is_deep, is_flag, kind
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_DEPTH = 200
_MOST_TOKENS = 2**53


@frozen
class RequestDefaults:
    """The operator's defaults and limits for every request.

    `model` and `system` are taken where a request has none. `max_messages` bounds the messages,
    and ten times that the content blocks. With `own_tools` the CLI's tools are on, and a
    request's cannot be added to them.
    """

    model: str = ""
    system: str = ""
    max_messages: int = 10_000
    own_tools: bool = False


@frozen
class MessagesRequest:
    """A request to `POST /v1/messages`: the turn, and whether to stream its answer.

    `notes`: the kind of each thing that does not reach the API as it was sent, as often as there
    are such things; a path may stand before it. None quotes the caller, so kinds are few.
    `offered`: as `claude.models.resolve` takes it.
    """

    turn: Turn
    stream: bool
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    offered: Mapping[str, str] | None = field(default=None, kw_only=True)


def parse_request(
    body: bytes, *, betas: str = "", rules: RequestDefaults = RequestDefaults()
) -> MessagesRequest:
    """Read a request body, and the `anthropic-beta` header with it.

    Raises `InvalidRequest` with what is wrong and where.
    """
    return read_request(read_object(body), betas=betas, rules=rules)


def read_request(
    data: dict[str, Any],
    *,
    betas: str = "",
    rules: RequestDefaults = RequestDefaults(),
    is_limited: bool = True,
) -> MessagesRequest:
    """Read the JSON object of a request; `is_limited`: whether `max_tokens` is a must."""
    check_names(data)
    model = _or_default(data.get("model"), rules.model)
    if model is None:
        raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path="model")
    is_model(model, "model")
    stream = data.get("stream")
    if stream is not None:
        is_flag(stream, "stream")
    system = read_system(_or_default(data.get("system"), rules.system))
    conversation = read_messages(_required(data, "messages"), rules.max_messages, model)
    parameters = passed_on(data)
    if conversation.output_config:
        given = parameters.get("output_config") or {}
        parameters["output_config"] = {**given, **conversation.output_config}
    turn = Turn(
        model=model,
        max_tokens=_max_tokens(data) if is_limited or "max_tokens" in data else None,
        messages=conversation.messages,
        system=system.text,
        system_cache=system.cache,
        parameters=parameters,
        betas=read_betas(betas),
    )
    if rules.own_tools and turn.parameters.get("tools"):
        reason = "this server runs the CLI's own tools"
        raise InvalidRequest(Refusal.OWN_TOOLS, reason, path="tools")
    turn, of_tools = with_loaded_tools(turn)
    turn, of_breakpoints = with_breakpoints(turn, system)
    notes = (*system.notes, *conversation.notes, *of_tools, *of_breakpoints)
    notes += tuple(image_notes(turn.messages))
    dropped = (name for name in turn.betas if name in DROPPED_BETAS)
    notes += tuple(f"anthropic-beta: {name} left out, the CLI drops it" for name in dropped)
    if has_large_number(turn.parameters):
        notes += ("whole numbers beyond 2^53 rounded by the CLI",)
    return MessagesRequest(turn, bool(stream), notes=notes)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body must be. Raises `InvalidRequest`."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(Refusal.NOT_JSON, f"The body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidRequest(
            Refusal.NOT_JSON, f"The body must be a JSON object, not {kind(data)}."
        )
    if is_deep(data, _DEPTH):
        raise InvalidRequest(Refusal.TOO_DEEP, f"The body is nested more than {_DEPTH} times.")
    return data


def count_request(body: bytes, models: Models, rules: RequestDefaults) -> bytes:
    """The body for the API's own `count_tokens`, with the model's id and the operator's defaults.

    The API judges the rest. Raises `InvalidRequest` unless it is a JSON object.
    """
    data = read_object(body)
    model = _or_default(data.get("model"), rules.model)
    known = models.find(model) if isinstance(model, str) else None
    defaults: dict[str, Any] = {}
    if model:
        defaults["model"] = model if known is None else known.id
    if rules.system:
        defaults["system"] = _or_default(data.get("system"), rules.system)
    return orjson.dumps({**data, **defaults})


def _required(data: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in data:
        raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path=name)
    return data[name]


def _or_default(given: Any, default: str) -> Any:  # noqa: ANN401 - JSON
    return default if default and given in (None, "", []) else given


def _max_tokens(data: dict[str, Any]) -> int:
    value: int = _required(data, "max_tokens")
    check = PARAMETERS["max_tokens"].check
    assert check is not None
    check(value, "max_tokens")
    if value > _MOST_TOKENS:
        raise InvalidRequest(
            Refusal.WRONG_VALUE, f"must be at most {_MOST_TOKENS}, not {value}", path="max_tokens"
        )
    return value
