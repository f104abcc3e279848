"""Cache breakpoints: which of a caller's reach the API, and where.

The API takes four in a request. What the CLI does with them, as measured:

- one at a `tool_use`, or at an image's data, it drops: it is moved to the nearest block that can
  have one, the one before where two are as near, so that no more is cached than was asked for
- with one in the system prompt it sets three of its own: behind its own prompt, the caller's, and
  the last message. One of the caller's others has room beside these: the last one, which covers
  the most.

A breakpoint decides what an answer costs, not what it says, so none of this is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import evolve

from trioproxy.claude.turn import Block, Message, Turn
from trioproxy.dialects.anthropic.system import System
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

MOST = 4
"""Breakpoints that the API takes in a request."""
_BESIDE_THE_SYSTEM = 1  # the CLI's own are three

_NEVER = {"tool_use", "thinking", "redacted_thinking", "container_upload"}

_MOVED = "cache_control: moved to a neighbouring block, the CLI drops it where it was"
_LEFT_OUT = "cache_control: left out, the CLI sets its own beside that in `system`"
ADDED = "cache_control: the CLI sets one at the last block too, beside that in `system`"
_SHORTENED = "cache_control: 5m at the last block, as the CLI sets it beside that in `system`"

_Marks: TypeAlias = dict[int, Mapping[str, Any]]  # by the id of a block that is in hand


def with_breakpoints(turn: Turn, system: System) -> tuple[Turn, tuple[str, ...]]:
    """The turn with the breakpoints that reach the API, and notes of the others.

    Raises `InvalidRequest` for more than the API takes.
    """
    tools: Sequence[Block] = turn.parameters.get("tools") or ()
    blocks = [block for message in turn.messages for block in message.content]
    given = [block for block in in_order(tools, blocks) if block.get("cache_control")]
    on_top = "cache_control" in turn.parameters
    count = len(given) + system.breakpoints + on_top
    if count > MOST:
        reason = f"the API allows {MOST} cache breakpoints, and there are {count}"
        raise InvalidRequest(Refusal.TOO_MANY_BREAKPOINTS, reason, path="cache_control")
    marks, notes = _moved(given, blocks)
    if turn.system_cache:
        if not on_top and id(blocks[-1]) not in marks:
            notes.append(ADDED)
        order = [id(block) for block in in_order(tools, blocks)]
        room = 0 if on_top else _BESIDE_THE_SYSTEM
        marks, more = _beside_the_system(marks, order, id(blocks[-1]), room)
        notes += more
    return _marked(turn, marks) if given else turn, tuple(notes)


def in_order(tools: Sequence[Block], blocks: Sequence[Block]) -> Iterator[Block]:
    """All that may have a breakpoint, in the order of the prompt."""
    yield from tools
    for block in blocks:
        yield from _inside(block)
        yield block


def _inside(block: Block) -> Iterator[Block]:
    """The blocks in a result, a document, a result of a search."""
    source = block.get("source")
    contents = [block.get("content"), source.get("content") if isinstance(source, dict) else None]
    for content in contents:
        for child in content if isinstance(content, list) else ():
            if isinstance(child, dict):
                yield from _inside(child)
                yield child


def can_have_one(block: Block) -> bool:
    """Whether the CLI keeps a breakpoint at such a block of a message."""
    is_data = block["type"] == "image" and block["source"]["type"] == "base64"
    return block["type"] not in _NEVER and not is_data


def _moved(given: Sequence[Block], blocks: Sequence[Block]) -> tuple[_Marks, list[str]]:
    """The breakpoints, those that the CLI drops at a block that can have one."""
    positions = {id(block): at for at, block in enumerate(blocks)}
    marks: _Marks = {}
    notes = []
    for block in given:
        at = positions.get(id(block))
        if at is None or can_have_one(block):  # of a tool, or inside a block: it stays
            marks[id(block)] = block["cache_control"]
            continue
        notes.append(_MOVED)
        nearest = _nearest(blocks, at)
        if nearest is not None:
            marks.setdefault(id(nearest), block["cache_control"])
    return marks, notes


def _nearest(blocks: Sequence[Block], at: int) -> Block | None:
    before = next((i for i in range(at - 1, -1, -1) if can_have_one(blocks[i])), None)
    behind = next((i for i in range(at + 1, len(blocks)) if can_have_one(blocks[i])), None)
    found = [i for i in (before, behind) if i is not None]
    return blocks[min(found, key=lambda i: abs(i - at))] if found else None


def _beside_the_system(
    marks: _Marks, order: Sequence[int], last: int, room: int
) -> tuple[_Marks, list[str]]:
    """Those that have room beside the CLI's own, which has one at the last block."""
    notes = []
    if marks.get(last, {}).get("ttl", "5m") != "5m":
        notes.append(_SHORTENED)
    others = [block for block in order if block in marks and block != last]
    kept = others[len(others) - room :] if room else []
    notes += [_LEFT_OUT] * (len(others) - len(kept))
    return {block: marks[block] for block in order if block in {*kept, last} & marks.keys()}, notes


def _marked(turn: Turn, marks: _Marks) -> Turn:
    """The turn with these breakpoints and no others."""
    messages = tuple(
        Message(message.role, tuple(_with_marks(block, marks) for block in message.content))
        for message in turn.messages
    )
    parameters = {**turn.parameters}
    if tools := parameters.get("tools"):
        parameters["tools"] = [_with_marks(tool, marks) for tool in tools]
    return evolve(turn, messages=messages, parameters=parameters)


def _with_marks(block: Block, marks: _Marks) -> Block:
    mark = marks.get(id(block))
    plain = {k: v for k, v in block.items() if k != "cache_control"}
    marked: Block = plain if mark is None else {**plain, "cache_control": mark}
    if isinstance(block.get("content"), list):
        marked["content"] = _all_with_marks(block["content"], marks)
    source = block.get("source")
    if isinstance(source, dict) and isinstance(source.get("content"), list):
        marked["source"] = {**source, "content": _all_with_marks(source["content"], marks)}
    return marked


def _all_with_marks(content: Sequence[Any], marks: _Marks) -> list[Any]:
    return [_with_marks(child, marks) if isinstance(child, dict) else child for child in content]
