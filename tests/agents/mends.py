"""What may differ between a request that the server gets and the CLI's that goes out for it.

All of it is here: what the CLI adds to each, and what the notes of an answer name. A note counts
only where it is given; where there is none, nothing may differ.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]
Block: TypeAlias = dict[str, Any]

# The CLI's own words before the caller's system prompt, and its own beta features.
BILLING = "x-anthropic-billing-header:"
IDENTITY = "You are "
OWN_SYSTEM = 2  # blocks
OWN_BETAS = {"claude-code-20250219", "oauth-2025-04-20", "effort-2025-11-24"}

# What the CLI writes out where the caller says nothing: it is what the API assumes, by the model.
ADDED: Sequence[tuple[str, Any]] = (
    ("temperature", 1),
    ("thinking", {"type": "adaptive"}),
    ("thinking", {"type": "disabled"}),
    ("tools", []),
)


def as_sent(body: Body, betas: frozenset[str], notes: str) -> Body:
    """What should arrive of a request, by the notes of its answer."""
    given = {**body, "system": _blocks(body.get("system") or []), "messages": _messages(body)}
    for note, mend in MENDED.items():
        if note in notes:
            given = mend(given)
    return _plain(given, betas - {*LEFT_OUT.findall(notes)})


def as_arrived(body: Body, betas: frozenset[str]) -> Body:
    """What has arrived, less what the CLI says itself."""
    assert body["system"][0]["text"].startswith(BILLING), "the CLI's first block"
    given = {**body, "system": body["system"][OWN_SYSTEM:], "messages": _messages(body)}
    return _plain(given, betas)


def is_named(where: str, notes: str) -> bool:
    """Whether the notes name what differs there: where the breakpoints of the cache are."""
    is_mark = where.startswith(_MARKS) or where.endswith(".cache_control")
    return is_mark and any(note in notes for note in BREAKPOINTS)


def _plain(given: Body, betas: frozenset[str]) -> Body:
    """The system prompt as one text, neighbours of one role as one message, breakpoints apart."""
    stated = {name: value for name, value in given.items() if value is not None}
    body = {name: value for name, value in stated.items() if name != "stream"}
    marks: dict[str, Any] = {}
    messages = [
        _without_marks(message, f"{at}", marks) for at, message in enumerate(_merged(body))
    ]
    prompt = "\n\n".join(block["text"] for block in given["system"])
    kept = betas - OWN_BETAS
    return {**body, "system": prompt, "messages": messages, "betas": kept, _MARKS: marks}


_MARKS = "breakpoints"


def _messages(body: Body) -> list[Block]:
    return [{**message, "content": _blocks(message["content"])} for message in body["messages"]]


def _blocks(content: Any) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _merged(body: Body) -> Iterator[Block]:
    for _, group in groupby(body["messages"], key=lambda message: message["role"]):
        first, *others = group
        blocks = [block for message in (first, *others) for block in message["content"]]
        yield {**first, "content": blocks}


def _without_marks(value: Any, where: str, marks: dict[str, Any]) -> Any:
    """The value without any `cache_control` in it; they are put into `marks`, by their places."""
    if isinstance(value, list):
        return [_without_marks(item, f"{where}.{at}", marks) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "cache_control" in value:
        marks[where] = value["cache_control"]
    kept = {name: inner for name, inner in value.items() if name != "cache_control"}
    return {name: _without_marks(inner, f"{where}.{name}", marks) for name, inner in kept.items()}


def _without_billing(body: Body) -> Body:
    kept = [block for block in body["system"] if not block["text"].startswith(BILLING)]
    return {**body, "system": kept}


def _without_a_lone_identity(body: Body) -> Body:
    match body["system"]:
        case [{"text": str(text)}] if text.startswith(IDENTITY):
            return {**body, "system": []}
    return body


def _with_reminders(body: Body) -> Body:
    """Each message of the system in a user's turn, where it stands."""
    messages = []
    for message in body["messages"]:
        if message["role"] == "system":
            messages.append({"role": "user", "content": list(map(_reminder, message["content"]))})
        else:
            messages.append(message)
    return {**body, "messages": messages}


def _reminder(block: Block) -> Block:
    return {**block, "text": f"<system-reminder>\n{block['text']}\n</system-reminder>"}


def _with_loaded_tools(body: Body) -> Body:
    """A text for each reference to a tool, and the tool as one that is loaded."""
    names: set[str] = set()
    messages = [
        {**message, "content": [_without_references(block, names) for block in message["content"]]}
        for message in body["messages"]
    ]
    tools = [
        {k: v for k, v in tool.items() if k != "defer_loading" or tool["name"] not in names}
        for tool in body["tools"]
    ]
    return {**body, "messages": messages, "tools": tools}


def _without_references(block: Block, names: set[str]) -> Block:
    if block["type"] != "tool_result" or not isinstance(block.get("content"), list):
        return block
    content = []
    for inner in block["content"]:
        if inner["type"] == "tool_reference":
            names.add(inner["tool_name"])
            content.append({"type": "text", "text": f"Tool loaded: {inner['tool_name']}"})
        else:
            content.append(inner)
    return {**block, "content": content}


MENDED: Mapping[str, Callable[[Body], Body]] = {
    "billing header left out": _without_billing,
    "identity left out": _without_a_lone_identity,
    "system messages in the conversation sent as reminders": _with_reminders,
    "tool_reference: replaced by a text": _with_loaded_tools,
}
"""What each note says becomes of a request."""

LEFT_OUT = re.compile(r"anthropic-beta: (\S+) left out")
"""The note of a beta feature that the CLI drops."""

BREAKPOINTS = (
    "cache_control: moved",
    "cache_control: left out",
    "cache_control: in `system`",
    "cache_control: the CLI sets one",
    "cache_control: 5m at the last block",
)
"""The notes of breakpoints that are not where they were sent."""

ANY = "; ".join([*MENDED, *BREAKPOINTS])
"""The notes of an answer that has none to say: the API's errors are given without them."""
