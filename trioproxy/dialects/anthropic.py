"""The Messages API: request bodies to turns, events to whole answers, errors to bodies.

Source: https://docs.anthropic.com/en/api/messages.
"""

from collections.abc import Mapping
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Literal

import orjson
from attrs import define, evolve, field, frozen

from trioproxy.claude.turn import Block, Event, Message, Turn
from trioproxy.errors import InvalidRequest, TrioproxyError

# What JavaScript's `trim` takes away: the CLI answers a text of only these by itself.
_BLANK = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_PARAMETERS = {"model", "max_tokens", "messages", "system", "stream"}

_NOT_YET = {
    "metadata", "output_config", "service_tier", "stop_sequences", "temperature", "thinking",
    "tool_choice", "tools", "top_k", "top_p", "container", "context_management", "mcp_servers",
}  # fmt: skip


_SHOWN = 50
_BLOCKS_A_MESSAGE = 10


@frozen
class MessagesRequest:
    """A request to `POST /v1/messages`: what is to be said, and whether events are wanted."""

    turn: Turn
    stream: bool


def parse_request(body: bytes, *, max_messages: int = 10_000) -> MessagesRequest:
    """Read a request body. Raises `InvalidRequest` with what is wrong and where.

    `max_messages` bounds the messages, and ten times that the content blocks in all of them.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidRequest(f"The body must be a JSON object, not {_kind(data)}.")
    _check_parameters(data)
    turn = Turn(
        model=_string(data, "model"),
        max_tokens=_positive(data, "max_tokens"),
        messages=_messages(_required(data, "messages"), max_messages),
        system=_system(data.get("system")),
    )
    turn = evolve(turn, messages=_with_breakpoints(turn.messages, 1 if turn.system else 2))
    stream = data.get("stream", False)
    if not isinstance(stream, bool):
        raise InvalidRequest(f"must be true or false, not {_kind(stream)}", path="stream")
    return MessagesRequest(turn, stream)


def _check_parameters(data: Mapping[str, Any]) -> None:
    for name in data:
        if name in _NOT_YET:
            raise InvalidRequest("this parameter is not supported by this server yet", path=name)
        if name not in _PARAMETERS:
            raise InvalidRequest("no such parameter in the Messages API", path=_short(name))


def _required(data: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in data:
        raise InvalidRequest("Field required", path=name)
    return data[name]


def _string(data: Mapping[str, Any], name: str) -> str:
    value = _required(data, name)
    if not isinstance(value, str):
        raise InvalidRequest(f"must be a string, not {_kind(value)}", path=name)
    if not value.strip(_BLANK):
        raise InvalidRequest("must not be empty", path=name)
    return value


def _positive(data: Mapping[str, Any], name: str) -> int:
    value = _required(data, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(f"must be a whole number, not {_kind(value)}", path=name)
    if value < 1:
        raise InvalidRequest(f"must be at least 1, not {value}", path=name)
    return value


def _system(value: object) -> str:
    """One text: the CLI takes one, and joins the blocks of a list in this way too.

    A cache breakpoint needs no passing on: the CLI sets one at the end of the system prompt.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidRequest(f"must be a string or a list, not {_kind(value)}", path="system")
    texts = [_text_block(block, f"system.{i}") for i, block in enumerate(value)]
    return "\n\n".join(block["text"] for block in texts)


def _messages(value: object, limit: int) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise InvalidRequest(f"must be a list, not {_kind(value)}", path="messages")
    if not value:
        raise InvalidRequest("must have at least one message", path="messages")
    _check_counts(value, limit)
    given = [_message(item, f"messages.{i}") for i, item in enumerate(value)]
    found = [
        Message(role, tuple(chain.from_iterable(message.content for message in neighbours)))
        for role, neighbours in groupby(given, key=attrgetter("role"))  # as the API merges them
    ]
    if found[0].role != "user":
        raise InvalidRequest('the first message must have the role "user"', path="messages.0.role")
    if found[-1].role != "user":
        raise InvalidRequest(
            'the last message must have the role "user": the CLI cannot continue an answer',
            path=f"messages.{len(value) - 1}.role",
        )
    return tuple(found)


def _check_counts(messages: list[Any], limit: int) -> None:
    if len(messages) > limit:
        reason = f"has {len(messages)} messages; this server takes {limit} (`max_messages`)"
        raise InvalidRequest(reason, path="messages")
    contents = (item.get("content") for item in messages if isinstance(item, dict))
    blocks = sum(len(content) for content in contents if isinstance(content, list))
    if blocks > _BLOCKS_A_MESSAGE * limit:
        reason = f"has {blocks} content blocks; this server takes {_BLOCKS_A_MESSAGE * limit}"
        raise InvalidRequest(reason, path="messages")


def _message(value: object, path: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidRequest(f"must be an object, not {_kind(value)}", path=path)
    for name in value:
        if name not in {"role", "content"}:
            raise InvalidRequest("no such field in a message", path=f"{path}.{_short(name)}")
    role = _role(value, path)
    content = value.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
        return Message(role, (_text_block(content[0], f"{path}.content", is_string=True),))
    if not isinstance(content, list):
        kind = "missing" if content is None else _kind(content)
        raise InvalidRequest(f"must be a string or a list, not {kind}", path=f"{path}.content")
    if not content:
        raise InvalidRequest("must not be empty", path=f"{path}.content")
    blocks = (_text_block(block, f"{path}.content.{i}") for i, block in enumerate(content))
    return Message(role, tuple(blocks))


def _role(value: Mapping[str, Any], path: str) -> Literal["user", "assistant"]:
    role = value.get("role")
    if role == "user":
        return "user"
    if role == "assistant":
        return "assistant"
    shown = "missing" if role is None else _kind(role)
    if isinstance(role, str):
        shown = f'"{_short(role)}"'
    raise InvalidRequest(f'must be "user" or "assistant", not {shown}', path=f"{path}.role")


def _text_block(value: object, path: str, *, is_string: bool = False) -> Block:
    if not isinstance(value, dict):
        raise InvalidRequest(f"must be an object, not {_kind(value)}", path=path)
    if value.get("type") != "text":
        raise InvalidRequest(
            "only text blocks are supported by this server yet", path=f"{path}.type"
        )
    text_path = path if is_string else f"{path}.text"
    text = value.get("text")
    if not isinstance(text, str):
        raise InvalidRequest("must be a string", path=text_path)
    if not text.strip(_BLANK):
        raise InvalidRequest("must have a character that is not white space", path=text_path)
    for name in value:
        if name not in {"type", "text", "cache_control", "citations"}:
            raise InvalidRequest("no such field in a text block", path=f"{path}.{_short(name)}")
    if value.get("citations"):
        raise InvalidRequest("not supported by this server yet", path=f"{path}.citations")
    return {"type": "text", "text": text, **_cache_control(value, path)}


def _cache_control(value: Mapping[str, Any], path: str) -> Block:
    given = value.get("cache_control")
    if given is None:
        return {}
    if given != {"type": "ephemeral"}:
        reason = 'only {"type": "ephemeral"} is supported by this server yet'
        raise InvalidRequest(reason, path=f"{path}.cache_control")
    return {"cache_control": given}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _with_breakpoints(messages: tuple[Message, ...], most: int) -> tuple[Message, ...]:
    """The messages with their last cache breakpoints: the API takes 4, and the CLI sets some."""
    surplus = sum("cache_control" in block for m in messages for block in m.content) - most
    if surplus <= 0:
        return messages
    found = []
    for message in messages:
        blocks = []
        for block in message.content:
            if surplus > 0 and "cache_control" in block:
                surplus -= 1
                blocks.append({k: v for k, v in block.items() if k != "cache_control"})
            else:
                blocks.append(block)
        found.append(Message(message.role, tuple(blocks)))
    return tuple(found)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


@define(eq=False)
class WholeAnswer:
    """Puts the events of one answer together into the message that they stream."""

    _message: dict[str, Any] = field(factory=dict, init=False)
    _partial_json: dict[int, str] = field(factory=dict, init=False)

    def add(self, event: Event) -> None:
        """Take in the next event."""
        match event["type"]:
            case "message_start":
                self._message = {**event["message"], "content": []}
            case "content_block_start":
                self._message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                self._add_delta(event["index"], event["delta"])
            case "content_block_stop":
                self._close(event["index"])
            case "message_delta":
                self._message.update(event["delta"])
                known = {k: v for k, v in event["usage"].items() if v is not None}
                self._message["usage"] = {**self._message.get("usage", {}), **known}
            case _:
                pass

    def _add_delta(self, index: int, delta: Block) -> None:
        block = self._message["content"][index]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            case "input_json_delta":
                known = self._partial_json.get(index, "")
                self._partial_json[index] = known + delta["partial_json"]
            case _:
                pass

    def _close(self, index: int) -> None:
        if partial := self._partial_json.pop(index, ""):
            self._message["content"][index]["input"] = orjson.loads(partial)

    def encode(self) -> bytes:
        """The whole message as a response body."""
        return orjson.dumps(self._message)


def error_body(error: TrioproxyError, request_id: str) -> dict[str, Any]:
    """The API's shape of an error, which is also its `error` event."""
    shown = {"type": error.type, "message": error.message}
    return {"type": "error", "error": shown, "request_id": request_id}
