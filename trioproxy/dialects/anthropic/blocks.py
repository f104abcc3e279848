"""The content blocks of a message: which there are, who may say them, and how they must look.

The API judges what a block says. Here is checked, or altered and noted, what the CLI would
otherwise alter, drop or answer itself without a word:

- it drops what an advisor said, and where another model took over
- a text of white space alone is answered by the CLI, without a call of the API
- of the citations of an assistant's text, it keeps those of a web search
- of a `tool_use`, it keeps the id, name and input, and of those only the whole numbers up to 2^53
- an image that cannot be read becomes a text: see images.py
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from trioproxy.claude.turn import Block
from trioproxy.dialects.anthropic.images import check_image
from trioproxy.dialects.anthropic.names import is_name_of_any_form
from trioproxy.dialects.json_checks import (
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
    with_large_numbers_as_text,
)
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Role: TypeAlias = Literal["user", "assistant", "system"]

_LARGEST_DATA = 5_242_880
_WEB_CITATION = "web_search_result_location"

_FALLBACK = "fallback"  # where another model took over: it says nothing
_NO_FALLBACK = "fallback: left out, the CLI drops it"
_NO_CITATIONS = "citations in the assistant's texts left out, except those of a web search"
_ROUNDED = "whole numbers beyond 2^53 sent as text"

_CACHED: Mapping[str, Check] = {"type": is_string, "cache_control": nullable(is_cache_control)}


_CITATIONS = a_list(is_object)


def check_text_block(value: Mapping[str, Any], path: str) -> None:
    """Refuse a block of text that would not arrive as it is."""
    if not isinstance(value.get("text"), str):
        raise InvalidRequest(Refusal.WRONG_TYPE, "must be a string", path=f"{path}.text")
    check_text(value["text"], f"{path}.text")
    for name in value:
        if name not in {"type", "text", "cache_control", "citations"}:
            raise InvalidRequest(
                Refusal.UNKNOWN_FIELD,
                "no such field in a text block",
                path=path,
                unknown=short(name),
            )
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")
    nullable(_CITATIONS)(value.get("citations"), f"{path}.citations")


def check_text(text: str, path: str) -> None:
    """Refuse a text with nothing in it."""
    if is_blank(text):
        raise InvalidRequest(
            Refusal.EMPTY, "must contain a character other than white space", path=path
        )


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
        raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path=f"{path}.source")
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


_IN_A_RESULT = one_of(
    "text", "image", "document", "search_result", "tool_reference", "browser_state"
)
_TOOL_REFERENCE = an_object({**_CACHED, "tool_name": is_word}, required={"tool_name"})


def _in_a_result(value: object, path: str) -> None:
    is_object(value, path)
    assert isinstance(value, dict)
    name = value.get("type")
    _IN_A_RESULT(name, f"{path}.type")
    if name == "tool_reference":
        _TOOL_REFERENCE(value, path)
    if name == "text":
        is_string(value.get("text"), f"{path}.text")
    if name in {"image", "document"}:
        _sourced(value, path)
        if len(value["source"].get("data") or "") > _LARGEST_DATA:
            reason = f"must have at most {_LARGEST_DATA} characters, as for the API"
            raise InvalidRequest(Refusal.TOO_LONG, reason, path=f"{path}.source.data")


def _tool_result(value: Mapping[str, Any], path: str) -> None:
    _TOOL_RESULT(value, path)
    content = value.get("content")
    if content is None or isinstance(content, str):
        return
    a_list(_in_a_result)(content, f"{path}.content")
    for index, block in enumerate(content):
        if value.get("is_error") and block["type"] != "text":
            reason = "an error result may contain only text"
            raise InvalidRequest(
                Refusal.MEDIA_IN_AN_ERROR, reason, path=f"{path}.content.{index}.type"
            )


_TOOL_RESULT = an_object(
    {
        **_CACHED,
        "tool_use_id": is_word,
        "content": anything,
        "is_error": is_flag,
        "toolset_name": nullable(is_string),
    },
    required={"tool_use_id"},
)


def _direct_caller(value: object, path: str) -> None:
    if value is not None and value != {"type": "direct"}:
        raise InvalidRequest(
            Refusal.CALLER_OF_A_CALL,
            "the CLI removes a tool's caller from a conversation",
            path=path,
        )


def _no_toolset(value: object, path: str) -> None:
    if value is not None:
        raise InvalidRequest(
            Refusal.CALLER_OF_A_CALL, "the CLI removes it from a conversation", path=path
        )


_TOOL_USE = an_object(
    {
        "type": is_string,
        "id": is_word,
        "name": is_name_of_any_form,
        "input": is_object,
        "caller": _direct_caller,
        "cache_control": nullable(is_cache_control),
        "toolset_name": _no_toolset,
    },
    required={"id", "name", "input"},
)


def _advice(_: Block, path: str) -> None:
    reason = "the CLI drops what the advisor said"
    raise InvalidRequest(Refusal.ADVICE, reason, path=f"{path}.type")


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
        "mcp_tool_listing": _cached,
        "tool_addition": _cached,
        "tool_removal": _cached,
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
        "mcp_tool_listing": _cached,
        "compaction": _cached,
        "advisor_tool_result": _advice,
        "fallback": an_object(
            {"type": is_string, "from": is_object, "to": is_object, "trigger": anything}
        ),
    },
}
"""The content blocks that each role may say, with their checks."""

_CHECKS = {role: by_type(blocks) for role, blocks in BLOCKS.items()}


def check_block(block: Block, role: Role, path: str) -> None:
    """Refuse a block that this role cannot say so. Raises `InvalidRequest`."""
    _CHECKS[role](block, path)


def read_blocks(content: object, role: Role, path: str, notes: list[str]) -> tuple[Block, ...]:
    """What a message says, as blocks that the CLI hands on as they are.

    `notes` gets the kind of each thing that was altered for that, as often as it was. A breakpoint
    stays where it is: see breakpoints.py. Raises `InvalidRequest`.
    """
    if isinstance(content, str):
        check_text(content, path)
        return ({"type": "text", "text": content},)
    if not isinstance(content, list):
        shown = "missing" if content is None else kind(content)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path=path
        )
    if not content:
        raise InvalidRequest(Refusal.EMPTY, "must not be empty", path=path)
    a_list(_CHECKS[role])(content, path)
    kept = [block for block in content if block["type"] != _FALLBACK]
    notes += [_NO_FALLBACK] * (len(content) - len(kept))
    return tuple(_as_carried(block, role, notes) for block in kept)


def _as_carried(block: Block, role: Role, notes: list[str]) -> Block:
    if has_large_number(block):
        notes.append(_ROUNDED)
        block = with_large_numbers_as_text(block)
    empty = {name for name in ("cache_control", "citations") if not block.get(name)}
    carried = {k: v for k, v in block.items() if k not in empty}
    if block["type"] == "tool_use":
        return {k: v for k, v in carried.items() if k in _OF_A_CALL}
    if role == "assistant" and "citations" in carried:
        return _with_carried_citations(carried, notes)
    return carried


_OF_A_CALL = {"type", "id", "name", "input", "cache_control"}


def _with_carried_citations(block: Block, notes: list[str]) -> Block:
    kept = [citation for citation in block["citations"] if citation.get("type") == _WEB_CITATION]
    lost = len(block["citations"]) - len(kept)
    if not lost:
        return block
    notes.extend([_NO_CITATIONS] * lost)
    rest = {k: v for k, v in block.items() if k != "citations"}
    return {**rest, "citations": kept} if kept else rest
