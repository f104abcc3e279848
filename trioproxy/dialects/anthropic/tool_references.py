"""References to tools in the results of a client's own tool search.

A client may send most of its tools with `defer_loading`, and have the result of its search refer
to those that are needed: the API then shows these to the model. The CLI takes a reference out of
a conversation, as it knows no tool of that name. So a text stands in its place, and the tools that
are referred to are sent as tools that are loaded.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from trioproxy.claude.turn import Block, Message, Turn

_TYPE = "tool_reference"
_NOTE = "tool_reference: replaced by a text, and the tool sent without defer_loading"


def with_loaded_tools(turn: Turn) -> tuple[Turn, tuple[str, ...]]:
    """The turn without references to tools, with those tools loaded, and notes of both."""
    names = list(_referred(turn))
    if not names:
        return turn, ()
    messages = tuple(
        Message(message.role, tuple(map(_in_words, message.content))) for message in turn.messages
    )
    parameters = dict(turn.parameters)
    if tools := parameters.get("tools"):
        parameters["tools"] = [_loaded(tool, set(names)) for tool in tools]
    return evolve(turn, messages=messages, parameters=parameters), (_NOTE,) * len(names)


def _referred(turn: Turn) -> Iterator[str]:
    for message in turn.messages:
        for block in message.content:
            for inner in _content_of_a_result(block):
                if inner["type"] == _TYPE:
                    yield inner["tool_name"]


def _content_of_a_result(block: Block) -> list[Block]:
    content = block.get("content")
    is_result = block["type"] == "tool_result" and isinstance(content, list)
    return content if is_result and content is not None else []


def _in_words(block: Block) -> Block:
    content = _content_of_a_result(block)
    if not any(inner["type"] == _TYPE for inner in content):
        return block
    return {**block, "content": [_as_text(inner) for inner in content]}


def _as_text(inner: Block) -> Block:
    if inner["type"] != _TYPE:
        return inner
    kept = {name: value for name, value in inner.items() if name == "cache_control"}
    return {"type": "text", "text": f"Tool loaded: {inner['tool_name']}", **kept}


def _loaded(tool: Mapping[str, Any], names: set[str]) -> Mapping[str, Any]:
    if tool.get("name") not in names:
        return tool
    return {name: value for name, value in tool.items() if name != "defer_loading"}
