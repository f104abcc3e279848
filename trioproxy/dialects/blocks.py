"""The content blocks of a message: which there are, who may say them, and how they must look.

The API judges what a block says. Here is checked what the CLI would otherwise alter, drop or
answer itself without a word:

- a text of white space alone is answered by the CLI, without a call of the API
- what stands in a result that is an error, and is not text, is dropped
- of a `tool_use`, only its id, name and input are kept; of an assistant's text, no citations
- whole numbers beyond 2^53 are rounded
- an image that cannot be read becomes a text: see images.py
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from trioproxy.claude.turn import Block
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
from trioproxy.dialects.names import is_name_of_any_form
from trioproxy.errors import InvalidRequest

Role: TypeAlias = Literal["user", "assistant"]

_LARGEST_DATA = 5_242_880

_CACHED: Mapping[str, Check] = {"type": is_string, "cache_control": nullable(is_cache_control)}


def check_text_block(value: Mapping[str, Any], path: str) -> None:
    """Refuse a block of text that would not arrive as it is."""
    if not isinstance(value.get("text"), str):
        raise InvalidRequest("must be a string", path=f"{path}.text")
    check_text(value["text"], f"{path}.text")
    for name in value:
        if name not in {"type", "text", "cache_control", "citations"}:
            raise InvalidRequest("no such field in a text block", path=f"{path}.{short(name)}")
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")
    if value.get("citations"):
        reason = "the CLI takes citations out of a conversation: send the text without them"
        raise InvalidRequest(reason, path=f"{path}.citations")


def check_text(text: str, path: str) -> None:
    """Refuse a text with nothing in it."""
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
    nullable(is_name_of_any_form)(value.get("name"), f"{path}.name")


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
        "name": is_name_of_any_form,
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
        "text": check_text_block,
        "image": _image,
        "document": _sourced,
        "search_result": _cached,
        "tool_result": _tool_result,
        "container_upload": _cached,
    },
    "assistant": {
        "text": check_text_block,
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

_CHECKS = {role: by_type(blocks) for role, blocks in BLOCKS.items()}


def read_blocks(content: object, role: Role, path: str) -> tuple[Block, ...]:
    """What a message says, as blocks, less what says nothing. Raises `InvalidRequest`."""
    if isinstance(content, str):
        check_text(content, path)
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


def _as_sent(block: Block) -> Block:
    """The block less what says nothing: what is null, no citations, the usual caller of a tool."""
    if block["type"] == "tool_use":
        return {name: block[name] for name in ("type", "id", "name", "input")}
    return {k: v for k, v in block.items() if v or k not in {"cache_control", "citations"}}
