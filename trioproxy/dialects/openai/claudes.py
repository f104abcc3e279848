"""Claude's own shapes in a chat's body, as Cursor sends them for Claude's models.

Tools with an `input_schema`, a `tool_choice` by Claude's words, and blocks among the parts of a
message: a call, a result, a thought, an image with its `source`. Blocks go on as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from trioproxy.dialects.anthropic.blocks import check_block

CLAUDES_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "user": ("image", "document", "tool_result", "search_result"),
    "assistant": ("thinking", "redacted_thinking", "tool_use"),
}
"""The types of Claude's blocks that OpenAI has no parts by the name of, by the role."""

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def claudes_blocks(
    content: object, role: Literal["user", "assistant"], path: str
) -> Iterator[dict[str, Any]]:
    """Those among the parts of a message. Raises `InvalidRequest`."""
    for index, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict) and part.get("type") in CLAUDES_BLOCKS[role]:
            check_block(part, role, f"{path}.{index}")
            yield {**part}


def is_claudes_tool(value: Mapping[str, Any]) -> bool:
    """Whether a tool is said as Claude's API has it: its type, `custom`, may be left out."""
    return "input_schema" in value and value.get("type") in (None, "custom", "function")


def as_function(value: Mapping[str, Any]) -> dict[str, Any]:
    """Such a tool as a function, with what it is in no field of its own."""
    rest = {k: v for k, v in value.items() if k != "input_schema"}
    return {**rest, "type": "function", "parameters": value["input_schema"]}


def as_openais_choice(value: Mapping[str, Any]) -> tuple[Any, bool]:
    """A `tool_choice` in OpenAI's words, and whether calls may be made in parallel."""
    in_parallel = value.get("disable_parallel_tool_use") is not True
    if value.get("type") == "tool":
        return {"type": "function", "name": value.get("name")}, in_parallel
    if value.get("type") in [*_CHOICES] and value.keys() <= {"type", "disable_parallel_tool_use"}:
        return _CHOICES[value["type"]], in_parallel
    return value, True
