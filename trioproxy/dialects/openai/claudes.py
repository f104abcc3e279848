"""Claude's own shapes in a chat's body, as Cursor sends them for Claude's models.

Tools with an `input_schema`, a `tool_choice` by Claude's words, and blocks among the parts of a
message: a call, a result, a thought, an image with its `source`. Blocks go on as they are.
"""

from collections.abc import Mapping
from typing import Any

from trioproxy.dialects.anthropic.blocks import Role, check_block
from trioproxy.dialects.json_checks import an_object, anything, is_flag, is_word, nullable

CLAUDES_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "user": ("image", "document", "tool_result", "search_result"),
    "assistant": ("thinking", "redacted_thinking", "tool_use"),
}
"""The types of Claude's blocks that OpenAI has no parts by the name of, by the role."""

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


_OPENAIS = "prompt_cache_breakpoint"


def is_claudes_block(part: Mapping[str, Any], role: Role) -> bool:
    """Whether a part of a message is a block of Claude's; so is a text that has citations."""
    has_citations = part.get("type") == "text" and "citations" in part
    return has_citations or part.get("type") in CLAUDES_BLOCKS[role]


def is_unsigned(part: Mapping[str, Any]) -> bool:
    """Whether it is a thought that Claude's API would refuse: it is not one of its own."""
    return part.get("type") == "thinking" and part.get("signature") in (None, "")


def claudes_block(part: Mapping[str, Any], role: Role, path: str) -> dict[str, Any]:
    """Such a part, checked. Raises `InvalidRequest`."""
    block = {name: value for name, value in part.items() if name != _OPENAIS}
    check_block(block, role, path)
    return block


def is_claudes_tool(value: Mapping[str, Any]) -> bool:
    """Whether a tool is said as Claude's API has it: its type, `custom`, may be left out."""
    return "input_schema" in value and value.get("type") in (None, "custom", "function")


def as_function(value: Mapping[str, Any]) -> dict[str, Any]:
    """Such a tool as a function, with what it is in no field of its own."""
    rest = {k: v for k, v in value.items() if k != "input_schema"}
    return {**rest, "type": "function", "parameters": value["input_schema"]}


_CHOICE = {"type": anything, "disable_parallel_tool_use": nullable(is_flag)}
_WITHOUT_A_NAME = an_object(_CHOICE)
_BY_NAME = an_object({**_CHOICE, "name": is_word}, required={"name"})


def as_openais_choice(value: Mapping[str, Any], path: str) -> tuple[Any, bool]:
    """A `tool_choice` in OpenAI's words, and whether calls may be made in parallel.

    One of a tool by its name stays: it says not of which kind.

    Raises `InvalidRequest`.
    """
    in_parallel = value.get("disable_parallel_tool_use") is not True
    if value.get("type") == "tool":
        _BY_NAME(value, path)
        return value, in_parallel
    if value.get("type") in [*_CHOICES]:
        _WITHOUT_A_NAME(value, path)
        return _CHOICES[value["type"]], in_parallel
    return value, True
