"""The messages of a request: their blocks, and what a conversation has to keep to.

The API judges what a block says. Here is checked what the CLI would otherwise alter, drop or
answer itself without a word:

- a text of white space alone is answered by the CLI, without a call of the API
- a `tool_result` without its `tool_use` is dropped, and a `tool_use` without its `tool_result`
  gets one that says that it is missing; ids that come twice lose one of their blocks
- what stands in a result that is an error, and is not text, is dropped
- of a `tool_use`, only its id, name and input are kept; of an assistant's text, no citations
- an assistant's message is dropped that is only thinking, or says only "(no content)"; what stands
  behind a `tool_use` is moved before it, and a `server_tool_use` without a result is dropped
- of more than 100 images and documents, the first are dropped
- whole numbers beyond 2^53 are rounded
- an image that cannot be read becomes a text: see images.py
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from attrs import frozen

from trioproxy.claude.turn import Block, Message
from trioproxy.dialects.checks import (
    Check,
    a_list,
    an_object,
    anything,
    by_type,
    has_large_number,
    is_blank,
    is_cache_control,
    is_flag,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.images import check_image
from trioproxy.errors import InvalidRequest

Role: TypeAlias = Literal["user", "assistant"]

_BLOCKS_A_MESSAGE = 10
_MOST_MEDIA = 100
_LARGEST_DATA = 5_242_880

_CACHED: Mapping[str, Check] = {"type": is_string, "cache_control": nullable(is_cache_control)}


def _text(value: Mapping[str, Any], path: str) -> None:
    if not isinstance(value.get("text"), str):
        raise InvalidRequest("must be a string", path=f"{path}.text")
    _check_text(value["text"], f"{path}.text")
    for name in value:
        if name not in {"type", "text", "cache_control", "citations"}:
            raise InvalidRequest("no such field in a text block", path=f"{path}.{short(name)}")
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")
    if value.get("citations"):
        reason = "the CLI takes citations out of a conversation: send the text without them"
        raise InvalidRequest(reason, path=f"{path}.citations")


def _check_text(text: str, path: str) -> None:
    if is_blank(text):
        raise InvalidRequest("must have a character that is not white space", path=path)


_SOURCE = by_type(
    {
        "base64": an_object(
            {"type": is_string, "media_type": is_word, "data": is_word},
            required={"media_type", "data"},
        ),
        "url": an_object({"type": is_string, "url": is_word}, required={"url"}),
        "file": an_object({"type": is_string, "file_id": is_word}, required={"file_id"}),
        "text": an_object(
            {"type": is_string, "media_type": is_word, "data": is_string},
            required={"media_type", "data"},
        ),
        "content": an_object({"type": is_string, "content": anything}, required={"content"}),
    }
)


def _sourced(value: Mapping[str, Any], path: str) -> None:
    if "source" not in value:
        raise InvalidRequest("Field required", path=f"{path}.source")
    _SOURCE(value["source"], f"{path}.source")
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")


_IMAGE = an_object({**_CACHED, "source": anything, "transformations": nullable(is_object)})


def _image(value: Block, path: str) -> None:
    _IMAGE(value, path)
    _sourced(value, path)
    check_image(value, path)


def _server_use(value: Block, path: str) -> None:
    _cached(value, path)
    is_word(value.get("id"), f"{path}.id")


def _cached(value: Mapping[str, Any], path: str) -> None:
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")


def _in_a_result(value: object, path: str) -> None:
    is_object(value, path)
    assert isinstance(value, dict)
    name = value.get("type")
    if name == "tool_reference":
        raise InvalidRequest("the CLI takes references to tools out of a conversation", path=path)
    one_of("text", "image", "document", "search_result")(name, f"{path}.type")
    if name == "text":
        is_string(value.get("text"), f"{path}.text")
    if name in {"image", "document"}:
        _sourced(value, path)
        if len(value["source"].get("data") or "") > _LARGEST_DATA:
            reason = f"has over {_LARGEST_DATA} characters, of which the API takes no more"
            raise InvalidRequest(reason, path=f"{path}.source.data")


def _tool_result(value: Mapping[str, Any], path: str) -> None:
    _TOOL_RESULT(value, path)
    content = value.get("content")
    if content is None or isinstance(content, str):
        return
    a_list(_in_a_result)(content, f"{path}.content")
    for index, block in enumerate(content):
        if value.get("is_error") and block["type"] != "text":
            reason = "a result that is an error may have only text"
            raise InvalidRequest(reason, path=f"{path}.content.{index}.type")


_TOOL_RESULT = an_object(
    {**_CACHED, "tool_use_id": is_word, "content": anything, "is_error": is_flag},
    required={"tool_use_id"},
)


def _direct_caller(value: object, path: str) -> None:
    if value is not None and value != {"type": "direct"}:
        raise InvalidRequest("the CLI takes the caller of a tool out of a conversation", path=path)


def _no_breakpoint(value: object, path: str) -> None:
    if value is not None:
        reason = "the CLI takes a breakpoint at a tool_use away: put it at the block before it"
        raise InvalidRequest(reason, path=path)


def _no_toolset(value: object, path: str) -> None:
    if value is not None:
        raise InvalidRequest("the CLI takes it out of a conversation", path=path)


_TOOL_USE = an_object(
    {
        "type": is_string,
        "id": is_word,
        "name": is_word,
        "input": is_object,
        "caller": _direct_caller,
        "cache_control": _no_breakpoint,
        "toolset_name": _no_toolset,
    },
    required={"id", "name", "input"},
)

_THINKING = an_object(
    {"type": is_string, "thinking": is_string, "signature": is_string},
    required={"thinking", "signature"},
)

_REDACTED = an_object({"type": is_string, "data": is_string}, required={"data"})

BLOCKS: Mapping[Role, Mapping[str, Check]] = {
    "user": {
        "text": _text,
        "image": _image,
        "document": _sourced,
        "search_result": _cached,
        "tool_result": _tool_result,
        "container_upload": _cached,
    },
    "assistant": {
        "text": _text,
        "thinking": _THINKING,
        "redacted_thinking": _REDACTED,
        "tool_use": _TOOL_USE,
        "server_tool_use": _server_use,
        "web_search_tool_result": _cached,
        "web_fetch_tool_result": _cached,
        "code_execution_tool_result": _cached,
        "bash_code_execution_tool_result": _cached,
        "text_editor_code_execution_tool_result": _cached,
        "tool_search_tool_result": _cached,
        "mcp_tool_use": _server_use,
        "mcp_tool_result": _cached,
        "container_upload": _cached,
    },
}
"""The content blocks that each role may say, with their checks."""

_SYSTEM = by_type({"text": _text})

_CHECKS = {role: by_type(blocks) for role, blocks in BLOCKS.items()}

_THOUGHTS = {"thinking", "redacted_thinking"}


def read_messages(value: object, limit: int) -> tuple[Message, ...]:
    """The conversation, with neighbours of one role merged as the API merges them.

    `limit` bounds the messages, and ten times that the content blocks in all of them. Raises
    `InvalidRequest`.
    """
    if not isinstance(value, list):
        raise InvalidRequest(f"must be a list, not {kind(value)}", path="messages")
    if not value:
        raise InvalidRequest("must have at least one message", path="messages")
    _check_counts(value, limit)
    given = [_message(item, f"messages.{i}") for i, item in enumerate(value)]
    if given[0].role != "user":
        raise InvalidRequest('the first message must have the role "user"', path="messages.0.role")
    if given[-1].role != "user":
        raise InvalidRequest(
            'the last message must have the role "user": the CLI cannot continue an answer',
            path=f"messages.{len(value) - 1}.role",
        )
    _check_tools(given)
    _check_media(given)
    return tuple(_merged(given))


def _merged(given: list[Message]) -> Iterator[Message]:
    index = 0
    for role, neighbours in groupby(given, key=attrgetter("role")):
        contents = [message.content for message in neighbours]
        merged = Message(role, tuple(chain.from_iterable(contents)))
        if role == "assistant":
            _check_lasting(merged.content, f"messages.{index}.content")
            _check_order(merged.content, f"messages.{index}.content")
        index += len(contents)
        yield merged


@frozen
class System:
    """The system prompt as one text, and the lifetime of the cache breakpoint behind it.

    `breakpoints`: how many the caller has set; `is_exact`: whether that is one behind the end.
    """

    text: str = ""
    cache: Literal["", "5m", "1h"] = ""
    breakpoints: int = 0
    is_exact: bool = True


def read_system(value: object) -> System:
    """Read a system prompt. The CLI takes one text, and joins those of a list in this way too."""
    if value is None or value == "":
        return System()
    if isinstance(value, str):
        _check_text(value, "system")
        blocks: list[Block] = [{"type": "text", "text": value}]
    elif isinstance(value, list):
        a_list(_SYSTEM)(value, "system")
        blocks = value
    else:
        raise InvalidRequest(f"must be a string or a list, not {kind(value)}", path="system")
    text = "\n\n".join(block["text"] for block in blocks)
    if text.startswith(_BILLING) or text in _IDENTITIES:
        raise InvalidRequest("is the CLI's own, which it says itself", path="system")
    if _BOUNDARY in text.split("\n\n"):
        raise InvalidRequest(f"the CLI takes the paragraph {_BOUNDARY} away", path="system")
    cached = [block["cache_control"] for block in blocks if block.get("cache_control")]
    is_exact = not cached or (len(cached) == 1 and bool(blocks[-1].get("cache_control")))
    lifetime: Literal["", "5m", "1h"] = cached[-1].get("ttl", "5m") if cached else ""
    return System(text, lifetime, len(cached), is_exact)


# What the CLI's own system blocks begin with, or are: it takes a caller's in their place.
_BILLING = "x-anthropic-billing-header:"
_IDENTITIES = {
    f"You are {name}."
    for name in (
        "Claude Code, Anthropic's official CLI for Claude",
        "Claude Code, Anthropic's official CLI for Claude, running within the Claude Agent SDK",
        "a Claude agent, built on Anthropic's Claude Agent SDK",
    )
}

_BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"


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
        raise InvalidRequest(f"must be an object, not {kind(value)}", path=path)
    for name in value:
        if name not in {"role", "content"}:
            raise InvalidRequest("no such field in a message", path=f"{path}.{short(name)}")
    role = _role(value, path)
    return Message(role, _blocks(value.get("content"), role, f"{path}.content"))


def _blocks(content: object, role: Role, path: str) -> tuple[Block, ...]:
    if isinstance(content, str):
        _check_text(content, path)
        return ({"type": "text", "text": content},)
    if not isinstance(content, list):
        shown = "missing" if content is None else kind(content)
        raise InvalidRequest(f"must be a string or a list, not {shown}", path=path)
    if not content:
        raise InvalidRequest("must not be empty", path=path)
    a_list(_CHECKS[role])(content, path)
    for index, block in enumerate(content):
        if has_large_number(block):
            reason = "has a whole number beyond 2^53, which the CLI rounds: say it as text"
            raise InvalidRequest(reason, path=f"{path}.{index}")
    return tuple(map(_as_sent, content))


def _role(value: Mapping[str, Any], path: str) -> Role:
    role = value.get("role")
    if role == "user":
        return "user"
    if role == "assistant":
        return "assistant"
    shown = "missing" if role is None else kind(role)
    if isinstance(role, str):
        shown = f'"{short(role)}"'
    raise InvalidRequest(f'must be "user" or "assistant", not {shown}', path=f"{path}.role")


def _as_sent(block: Block) -> Block:
    """The block less what says nothing: what is null, no citations, the usual caller of a tool."""
    if block["type"] == "tool_use":
        return {name: block[name] for name in ("type", "id", "name", "input")}
    return {k: v for k, v in block.items() if v or k not in {"cache_control", "citations"}}


def _check_lasting(blocks: Iterable[Block], path: str) -> None:
    """Refuse an assistant's message that the CLI would drop."""
    kept = [block for block in blocks if block["type"] not in _THOUGHTS]
    if not kept:
        reason = "the CLI drops a message that is only thinking: leave it out, or add the text"
        raise InvalidRequest(reason, path=path)
    if [block.get("text") for block in kept] == ["(no content)"]:
        reason = 'the CLI drops an assistant\'s message that says "(no content)"'
        raise InvalidRequest(reason, path=path)


def _check_order(blocks: Iterable[Block], path: str) -> None:
    """Refuse what the CLI would put in another order, or take for unfinished and drop."""
    is_calling = False
    results = {block.get("tool_use_id") for block in blocks}
    for block in blocks:
        is_call = block["type"] == "tool_use"
        if is_calling and not is_call:
            reason = f"the CLI moves a {block['type']} block behind a tool_use before it"
            raise InvalidRequest(reason, path=path)
        is_calling |= is_call
        if block["type"] in {"server_tool_use", "mcp_tool_use"} and block["id"] not in results:
            reason = f'the CLI drops a {block["type"]} without its result: "{short(block["id"])}"'
            raise InvalidRequest(reason, path=path)


def _check_media(given: Iterable[Message]) -> None:
    """Refuse more images and documents than the CLI hands on."""
    blocks = [block for message in given for block in message.content]
    nested = [block.get("content") for block in blocks if block["type"] == "tool_result"]
    inside = [block for content in nested if isinstance(content, list) for block in content]
    count = sum(block["type"] in {"image", "document"} for block in (*blocks, *inside))
    if count > _MOST_MEDIA:
        reason = f"have {count} images and documents, of which the CLI takes {_MOST_MEDIA}"
        raise InvalidRequest(reason, path="messages")


def _check_tools(given: list[Message]) -> None:
    """Hold each call of a tool against the results in the message behind it."""
    seen: set[str] = set()
    open_calls: dict[str, str] = {}  # ids that want a result, and where they stand
    for index, message in enumerate(given):
        is_answer = message.role == "user"
        if not is_answer and open_calls and given[index - 1].role == "user":
            _no_result(open_calls)
        for at, block in enumerate(message.content):
            path = f"messages.{index}.content.{at}"
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    reason = f'there is another tool_use with the id "{short(block["id"])}"'
                    raise InvalidRequest(reason, path=f"{path}.id")
                seen.add(block["id"])
                open_calls[block["id"]] = path
            elif (
                block["type"] == "tool_result"
                and open_calls.pop(block["tool_use_id"], None) is None
            ):
                raise InvalidRequest(
                    f'there is no tool_use with the id "{short(block["tool_use_id"])}" in the '
                    "message before, or it has its result already",
                    path=f"{path}.tool_use_id",
                )
    if open_calls:
        _no_result(open_calls)


def _no_result(open_calls: Mapping[str, str]) -> None:
    name, path = next(iter(open_calls.items()))
    reason = f'the message behind it must have a tool_result for "{short(name)}"'
    raise InvalidRequest(reason, path=path)
