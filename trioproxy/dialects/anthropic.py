"""The Messages API: request bodies to turns, and errors to bodies.

Source: https://docs.anthropic.com/en/api/messages.
"""

from typing import Any

import orjson
from attrs import evolve, field, frozen

from trioproxy.claude.models import Model, Models
from trioproxy.claude.turn import Block, Message, Turn
from trioproxy.dialects.checks import has_large_number, is_deep, is_flag, kind, short
from trioproxy.dialects.images import image_notes
from trioproxy.dialects.messages import read_messages
from trioproxy.dialects.names import is_model, read_betas
from trioproxy.dialects.parameters import PARAMETERS, check_names, passed_on
from trioproxy.dialects.system import System, read_system
from trioproxy.errors import InvalidRequest, TrioproxyError

_BREAKPOINTS = 4
_DEPTH = 200
_MOST_TOKENS = 2**53


@frozen
class Rules:
    """What the operator lays down for every request.

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
    """A request to `POST /v1/messages`: what is to be said, and whether events are wanted.

    `notes`: what does not reach the API as it was said, for the caller to know.
    """

    turn: Turn
    stream: bool
    notes: tuple[str, ...] = field(default=(), kw_only=True)


def parse_request(body: bytes, *, betas: str = "", rules: Rules = Rules()) -> MessagesRequest:
    """Read a request body, and the `anthropic-beta` header with it.

    Raises `InvalidRequest` with what is wrong and where.
    """
    return read_request(read_object(body), betas=betas, rules=rules)


def read_request(
    data: dict[str, Any], *, betas: str = "", rules: Rules = Rules(), is_limited: bool = True
) -> MessagesRequest:
    """Read the JSON object of a request; `is_limited`: whether `max_tokens` is a must."""
    check_names(data)
    model = _or_default(data.get("model"), rules.model)
    if model is None:
        raise InvalidRequest("Field required", path="model")
    is_model(model, "model")
    stream = data.get("stream")
    if stream is not None:
        is_flag(stream, "stream")
    system = read_system(_or_default(data.get("system"), rules.system))
    turn = Turn(
        model=model,
        max_tokens=_max_tokens(data) if is_limited or "max_tokens" in data else None,
        messages=read_messages(_required(data, "messages"), rules.max_messages),
        system=system.text,
        system_cache=system.cache,
        parameters=passed_on(data),
        betas=read_betas(betas),
    )
    if rules.own_tools and turn.parameters.get("tools"):
        raise InvalidRequest("this server runs tools of its own (`[claude] tools`)", path="tools")
    turn, notes = _with_breakpoints(turn, system)
    notes += tuple(image_notes(turn.messages))
    if has_large_number(turn.parameters):
        notes += ("whole numbers beyond 2^53 rounded by the CLI",)
    return MessagesRequest(turn, bool(stream), notes=notes)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body must be. Raises `InvalidRequest`."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidRequest(f"The body must be a JSON object, not {kind(data)}.")
    if is_deep(data, _DEPTH):
        raise InvalidRequest(f"The body is nested more than {_DEPTH} times.")
    return data


def count_request(body: bytes, models: Models, rules: Rules) -> bytes:
    """The body for the API's own `count_tokens`, with the model's id and the operator's defaults.

    All else is for the API to judge. Raises `InvalidRequest` if it is no JSON object.
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


def needs_full_name(turn: Turn) -> bool:
    """Whether there are thoughts in the history: they count only for the model of that very id."""
    thoughts = {"thinking", "redacted_thinking"}
    return any(block["type"] in thoughts for one in turn.messages for block in one.content)


def model_body(model: Model) -> dict[str, Any]:
    """One model, as the API describes it. When it came out is not known here."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def models_body(
    models: Models, limit: int, *, after: str | None = None, before: str | None = None
) -> dict[str, Any]:
    """A page of the models: the first ones behind `after`, or the last ones before `before`."""
    found = list(models.listed)
    ids = [model.id for model in found]
    for name, one in (("after_id", after), ("before_id", before)):
        if one is not None and one not in ids:
            raise InvalidRequest(f'there is no model "{short(one)}"', path=name)
    if after is not None:
        found = found[ids.index(after) + 1 :]
    elif before is not None:
        found = found[: ids.index(before)]
    page = found[-limit:] if before is not None and after is None else found[:limit]
    return {
        "data": [model_body(model) for model in page],
        "has_more": len(page) < len(found),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _required(data: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in data:
        raise InvalidRequest("Field required", path=name)
    return data[name]


def _or_default(given: Any, default: str) -> Any:  # noqa: ANN401 - JSON
    return default if default and given in (None, "", []) else given


def _max_tokens(data: dict[str, Any]) -> int:
    value: int = _required(data, "max_tokens")
    check = PARAMETERS["max_tokens"].check
    assert check is not None
    check(value, "max_tokens")
    if value > _MOST_TOKENS:
        raise InvalidRequest(f"must be at most {_MOST_TOKENS}, not {value}", path="max_tokens")
    return value


def _with_breakpoints(turn: Turn, system: System) -> tuple[Turn, tuple[str, ...]]:
    """The turn with the cache breakpoints that fit, and notes of those that do not.

    The API takes four. Without one in the system prompt they are all the caller's. With one, the
    CLI sets three of its own (behind its own prompt, the caller's, and the last message), and
    the caller's last one beside these is kept. It takes those at an image's data away.
    """
    tools = turn.parameters.get("tools") or []
    blocks = [block for message in turn.messages for block in message.content]
    marked = [one for one in (*tools, *blocks) if one.get("cache_control")]
    nested = sum(_nested_breakpoints(block) for block in blocks)
    on_top = "cache_control" in turn.parameters
    count = len(marked) + nested + system.breakpoints + on_top
    if count > _BREAKPOINTS:
        reason = f"the API takes {_BREAKPOINTS} cache breakpoints, and there are {count}"
        raise InvalidRequest(reason, path="cache_control")
    notes: list[str] = []
    dropped = [one for one in marked if _is_data_of_an_image(one)]
    if dropped:
        notes.append(f"cache_control: {len(dropped)} at images dropped by the CLI")
    if not system.is_exact:
        notes.append("cache_control: in `system`, one is kept, behind its end")
    if turn.system_cache:
        if nested:
            reason = "beside a breakpoint in `system`, none can be inside a block"
            raise InvalidRequest(reason, path="cache_control")
        gone = list(map(id, (*dropped, blocks[-1])))
        others = [one for one in marked if id(one) not in gone]
        surplus = others[: max(0, len(others) - (0 if on_top else 1))]
        if surplus:
            notes.append(
                f"cache_control: {len(surplus)} of {count} dropped beside that in `system`"
            )
        dropped += surplus
    return (_without_breakpoints(turn, dropped) if dropped else turn), tuple(notes)


def _without_breakpoints(turn: Turn, dropped: list[Block]) -> Turn:
    messages = tuple(
        Message(one.role, tuple(_unmarked(block, dropped) for block in one.content))
        for one in turn.messages
    )
    parameters = {**turn.parameters}
    if tools := parameters.get("tools"):
        parameters["tools"] = [_unmarked(tool, dropped) for tool in tools]
    return evolve(turn, messages=messages, parameters=parameters)


def _unmarked(block: Block, dropped: list[Block]) -> Block:
    if not any(block is one for one in dropped):
        return block
    return {k: v for k, v in block.items() if k != "cache_control"}


def _is_data_of_an_image(block: Block) -> bool:
    return block.get("type") == "image" and block["source"]["type"] == "base64"


def _nested_breakpoints(block: Block) -> int:
    """How many there are inside a block: in a result, a document, a result of a search."""
    source = block.get("source")
    inside = [block.get("content"), source.get("content") if isinstance(source, dict) else None]
    children = [one for content in inside if isinstance(content, list) for one in content]
    found = [one for one in children if isinstance(one, dict)]
    return sum(bool(one.get("cache_control")) + _nested_breakpoints(one) for one in found)


def error_body(error: TrioproxyError, request_id: str) -> dict[str, Any]:
    """The API's shape of an error, which is also its `error` event."""
    shown: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.details is not None:
        shown["details"] = error.details
    return {"type": "error", "error": shown, "request_id": request_id}
