"""A model that is played: what it answers is a function of the request alone.

    def model(body: Body) -> Turn | None:
        if not results(body):
            return Turn([Think("First look."), Call("Read", {"file_path": "a.txt"})])
        return Turn([Say("Done.")])

    standin = StandIn(script=model)

Being pure, it needs no memory of a conversation: sub-agents may ask at the same time, a client
may ask again, and the same request has the same answer. `steps` is the script of a single
conversation: a list, of which each answer of the model in the request is a step done. Where a
script returns None, the stand-in answers as usual, directives and all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, TypeAlias

import attrs

from trioproxy.standin.answers import Plan
from trioproxy.standin.blocks import (
    Block,
    cited_block,
    given_block,
    limit,
    text_block,
    thinking_block,
    tool_block,
)
from trioproxy.standin.bodies import Body, check_body, conversation, count_tokens
from trioproxy.standin.errors import ApiError
from trioproxy.standin.pace import Pace

ODD = (1, 2, 3, 5, 7, 11)
"""Lengths of deltas that fall between no two words, and inside an escape of JSON."""


@attrs.frozen
class Say:
    """A text, with citations or without."""

    text: str
    citations: Sequence[Mapping[str, Any]] = ()


@attrs.frozen
class Think:
    """A thought; it is signed."""

    thinking: str


@attrs.frozen
class Call:
    """A call of the caller's tool."""

    name: str
    input: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Given:
    """A block as it stands, which no delta fills: the API's own tools and their results."""

    block: Mapping[str, Any]


Part: TypeAlias = Say | Think | Call | Given


@attrs.frozen
class Turn:
    """An answer of the model, or an error in its place."""

    parts: Sequence[Part] = ()
    stop_reason: str | None = None
    """None: by the parts, `tool_use` or `end_turn`."""
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] = attrs.field(factory=dict)
    """What the usage says other than what was counted."""
    sizes: tuple[int, ...] = ()
    """Characters of the deltas, over and over; none: a word each."""
    chunk: int | None = None
    """Bytes of a chunk of the stream, wherever that cuts; None: as many as are due."""
    error: ApiError | None = None
    fail_after: int | None = None
    """Deltas that come before the error; None: it is the whole answer."""
    drop_after: int | None = None
    pace: Pace | None = None


Script: TypeAlias = Callable[[Body], Turn | None]


def refusal(
    parts: Sequence[Part] = (), *, explanation: str | None = None, category: str | None = None
) -> Turn:
    """The model will not go on, after these parts or without any."""
    details = {"type": "refusal", "category": category, "explanation": explanation}
    return Turn(parts, stop_reason="refusal", stop_details=details)


def steps(*turns: Turn | Script) -> Script:
    """A script for one conversation; past its end, the stand-in answers as usual."""

    def script(body: Body) -> Turn | None:
        step = sum(message["role"] == "assistant" for message in conversation(body))
        if step >= len(turns):
            return None
        turn = turns[step]
        return turn if isinstance(turn, Turn) else turn(body)

    return script


def offered(body: Body) -> list[str]:
    """The names of the tools that the model may call."""
    return [tool["name"] for tool in body.get("tools") or ()]


def results(body: Body) -> list[Mapping[str, Any]]:
    """The results of tools in the conversation, in order."""
    return [
        block
        for message in conversation(body)
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]


def play(turn: Turn, body: object, *, number: int, pace: Pace | None = None) -> Plan:
    """The answer that is this turn. Raises `ApiError` 400 if the API would refuse the body."""
    request = check_body(body)
    blocks = tuple(_block(part, number, at) for at, part in enumerate(turn.parts))
    sized = tuple(_resized(block, turn.sizes) for block in blocks) if turn.sizes else blocks
    kept = limit(sized, request["max_tokens"])
    is_calling = any(isinstance(part, Call) for part in turn.parts)
    usual = "tool_use" if is_calling else "end_turn"
    return Plan(
        number=number,
        model=request["model"],
        blocks=kept,
        stop_reason="max_tokens" if kept != sized else turn.stop_reason or usual,
        stop_sequence=None,
        stop_details=turn.stop_details,
        input_tokens=count_tokens(request),
        usage=turn.usage,
        is_streamed=request.get("stream") is True,
        pace=turn.pace or pace or Pace(),
        chunk=turn.chunk,
        error=turn.error or (ApiError(529) if turn.fail_after is not None else None),
        fail_after=turn.fail_after,
        drop_after=turn.drop_after,
    )


def _block(part: Part, number: int, at: int) -> Block:
    match part:
        case Say(text, citations):
            return cited_block(text, citations) if citations else text_block(text)
        case Think(thinking):
            return thinking_block(thinking)
        case Call(name, tool_input):
            return tool_block(f"toolu_standin_{number:06d}_{at}", name, tool_input)
        case Given(block):
            return given_block(block)


def _resized(block: Block, sizes: Sequence[int]) -> Block:
    """The block with its deltas joined and cut anew; a signature and a citation stay whole."""
    deltas: list[Mapping[str, Any]] = []
    for delta in block.deltas:
        if deltas and deltas[-1]["type"] == delta["type"] and delta["type"] in _CUT:
            field = _CUT[delta["type"]]
            deltas[-1] = {**delta, field: deltas[-1][field] + delta[field]}
        else:
            deltas.append(delta)
    return attrs.evolve(block, deltas=tuple(_cut(deltas, sizes)))


_CUT = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
"""The deltas that may be cut anywhere, and the field that is."""


def _cut(deltas: Sequence[Mapping[str, Any]], sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    lengths = cycle(sizes)
    for delta in deltas:
        field = _CUT.get(delta["type"])
        rest = delta[field] if field else ""
        if field is None or not rest:
            yield dict(delta)
        while field and rest:
            size = next(lengths)
            yield {**delta, field: rest[:size]}
            rest = rest[size:]
