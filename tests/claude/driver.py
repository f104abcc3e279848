"""An exchange in a test's hands: made, brought into any state, fed line by line."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TypeAlias

import orjson

from tests.claude.lines import (
    INIT,
    QUEUED,
    REQUESTING,
    START,
    STARTED,
    accepted,
    answer,
    rejected,
    result,
    rewound,
)
from trioproxy.claude import wire
from trioproxy.claude.conversation import Standing
from trioproxy.claude.exchange import Exchange, segments
from trioproxy.claude.reading import Reader
from trioproxy.claude.states import State
from trioproxy.claude.turn import Event, Message
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError


def _message(text: str) -> Message:
    """`u...` is the user's and `a...` the assistant's."""
    block = {"type": "text", "text": text}
    return Message("user" if text.startswith("u") else "assistant", (block,))


def exchange_of(
    conversation: str = "u1", *, settings: tuple[str, ...] = (), own_tools: bool = False
) -> Exchange:
    """A new exchange of `conversation`, such as "u1 a1 u2"; `settings` are ids asked before.

    With "b1 b2 u1", these two must be granted before anything is said.
    """
    uuids = (f"m{n}" for n in count(1))
    ids = (f"c{n}" for n in count(1))
    asked = b"".join(wire.control_request(setting, "apply_flag_settings") for setting in settings)
    words = conversation.split()
    binding = [word for word in words if word.startswith("b")]
    bound = b"".join(wire.control_request(word, "reload_plugins") for word in binding)
    messages = [_message(word) for word in words if word not in binding]
    ids_of = [next(uuids) for _ in messages]
    found = segments(asked, messages, ids_of, model="claude-test")
    fresh = tuple(map(Standing.of, messages, ids_of))
    return Exchange(
        found, Reader({*settings, *binding}, own_tools), lambda: next(ids), bound, fresh=fresh
    )


def written(data: bytes) -> list[str]:
    """What was written, in short: each control request's subtype, each message's text."""
    return [_short(orjson.loads(line)) for line in data.splitlines()]


def _short(line: Line) -> str:
    if line["type"] == "control_request":
        return str(line["request"]["subtype"])
    text = " ".join(block["text"] for block in line["message"]["content"]).strip()
    return text if line["type"] == "assistant" or "shouldQuery" in line else f"{text}?"


class Abandon:
    """The caller's leaving, among the lines that come."""

    def __repr__(self) -> str:
        return "ABANDON"


ABANDON = Abandon()
Input: TypeAlias = Line | Abandon | ApiError


def feed(exchange: Exchange, inputs: Iterable[Input]) -> tuple[list[str], list[Event]]:
    """Hand these over one by one: lines, the caller's leaving, a refusal of the API's.

    What was written, in short, and the events handed on.
    """
    output = b""
    events: list[Event] = []
    for action in inputs:
        if isinstance(action, Abandon):
            output += exchange.abandon()
        elif isinstance(action, ApiError):
            exchange.refused(action)
        else:
            step = exchange.receive([action])
            output += step.output
            events += step.events
    return written(output), events


def begun(conversation: str = "u1", *inputs: Input, own_tools: bool = False) -> Exchange:
    exchange = exchange_of(conversation, own_tools=own_tools)
    exchange.begin()
    feed(exchange, inputs)
    return exchange


RUNNING: list[Input] = [QUEUED, STARTED, INIT, REQUESTING, START]

BOUND = [accepted("b1"), accepted("b2")]

REACHED: dict[State, tuple[str, Sequence[Input]]] = {
    State.BINDING: ("b1 b2 u1", [accepted("b1")]),
    State.UNBINDING: ("b1 b2 u1", [accepted("b1"), ABANDON]),
    State.REPLAYING: ("u1 a1 u2", []),
    State.LEAVING: ("u1 a1 u2", [ABANDON]),
    State.ANSWERING: ("u1", [*RUNNING]),
    State.SETTLING: ("u1", [*RUNNING, ABANDON]),
    State.RESETTING: ("u1", [*answer("hi"), result("hi")]),
    State.CLEAN: ("u1", [*answer("hi"), result("hi"), rewound()]),
    State.SPOILED: ("u1", [*answer("hi"), result("hi"), rejected("c1")]),
}


def begun_in(state: State) -> Exchange:
    """An exchange that has come to this state."""
    conversation, inputs = REACHED[state]
    return begun(conversation, *inputs)
