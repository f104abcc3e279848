"""An exchange with lines that no CLI has written yet."""

from copy import deepcopy
from typing import Any

import orjson
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.claude.driver import (
    ABANDON,
    RUNNING,
    Input,
    begun,
    begun_in,
    exchange_of,
    feed,
    written,
)
from tests.claude.lines import (
    ABORTED,
    CLOSE,
    COMPLETED,
    HISTORY_RESULT,
    INIT,
    OPEN,
    QUEUED,
    REQUESTING,
    START,
    STARTED,
    STOP,
    accepted,
    answer,
    api_error,
    assistant,
    delta,
    ended,
    event,
    lifecycle,
    rejected,
    result,
    rewound,
    synthetic,
    user,
)
from trioproxy.claude.states import State
from trioproxy.claude.wire import Line
from trioproxy.errors import WireError

# -- Lines of an unknown shape ----------------------------------------------------------------


BEFORE_THE_END = frozenset(State) - {State.CLEAN, State.SPOILED}
ANSWERING = frozenset({State.ANSWERING})


@frozen
class Misshapen:
    """A line without a part that it always had, and the states in which that part is needed."""

    line: Line
    states: frozenset[State] = BEFORE_THE_END


MISSHAPEN = [
    Misshapen({"type": "stream_event"}),
    Misshapen({"type": "stream_event", "event": None}),
    Misshapen({"type": "stream_event", "event": "message_stop"}),
    Misshapen({"type": "stream_event", "event": [{"type": "message_stop"}]}),
    Misshapen({"type": "stream_event", "event": {}}),
    Misshapen(event("message_delta"), ANSWERING),
    Misshapen(event("message_delta", delta=None), ANSWERING),
    Misshapen(event("message_delta", delta="end_turn"), ANSWERING),
    Misshapen(event("message_delta", delta={"stop_reason": ["end_turn"]}), ANSWERING),
    Misshapen({"type": "assistant"}),
    Misshapen({"type": "assistant", "message": None}),
    Misshapen({"type": "assistant", "message": "<synthetic>"}),
    Misshapen({"type": "control_response"}),
    Misshapen({"type": "control_response", "response": None}),
    Misshapen({"type": "control_response", "response": {}}),
    Misshapen({"type": "control_response", "response": {"request_id": []}}),
    Misshapen({"type": "control_request", "request": None}),
    Misshapen({"type": "control_request", "request": "can_use_tool"}),
    Misshapen({"type": "result", "errors": 5}, ANSWERING),
    Misshapen({"type": "result", "errors": [5]}, ANSWERING),
    Misshapen({"type": "result", "errors": [None]}, ANSWERING),
]


@pytest.mark.parametrize("state", sorted(BEFORE_THE_END, key=str), ids=lambda case: case.name)
@pytest.mark.parametrize("misshapen", MISSHAPEN, ids=lambda case: str(case.line)[:70])
def test_a_line_of_an_unknown_shape_spoils_the_exchange_and_raises_nothing(
    state: State, misshapen: Misshapen
) -> None:
    exchange = begun_in(state)
    was_answered = exchange.is_answered
    assert feed(exchange, [misshapen.line])[1] == []
    if state in misshapen.states:
        assert exchange.state is State.SPOILED
        assert isinstance(exchange.error, WireError) != was_answered
    if isinstance(exchange.error, WireError):
        kind = misshapen.line["type"]
        assert exchange.error.message.startswith(
            f"The CLI wrote a {kind} line of an unknown form: "
        )


def test_events_that_came_before_it_in_one_read_are_still_handed_on() -> None:
    step = begun("u1", *RUNNING).receive([OPEN, delta("a"), {"type": "stream_event"}, delta("b")])
    assert [event["type"] for event in step.events] == [
        "content_block_start",
        "content_block_delta",
    ]


NESTED: Any = orjson.loads(b"[" * 1000 + b"]" * 1000)


@pytest.mark.parametrize(
    "line",
    [
        {"type": "result", "result": NESTED},
        {"type": "control_request", "request": {"subtype": NESTED}},
    ],
    ids=lambda case: case["type"],
)
def test_a_line_of_many_levels_raises_nothing(line: Line) -> None:
    exchange = begun("u1", *RUNNING)
    feed(exchange, [line])
    assert exchange.is_answered


# -- Anything at all --------------------------------------------------------------------------

REALISTIC: list[Line] = [
    *[QUEUED, STARTED, COMPLETED, INIT, REQUESTING, START, OPEN, CLOSE, STOP],
    *[lifecycle("started", "m2"), lifecycle("started", "m3"), delta("a"), assistant("a")],
    *[ended("end_turn"), ended("max_tokens"), ended(None), synthetic("API Error"), user("a")],
    *[HISTORY_RESULT, result("a"), ABORTED, api_error(529, "Overloaded")],
    *[result("", subtype="error_max_turns", is_error=True, errors=["Reached maximum"])],
    *[make(f"c{n}") for n in range(1, 5) for make in (accepted, rewound)],
    *[accepted("s1"), rejected("s1"), rejected("c1")],
    {"type": "control_request", "request_id": "x", "request": {"subtype": "can_use_tool"}},
]
scraps = st.sampled_from(
    [None, 0, True, "", "success", "message_stop", [], {}, ["a"], {"type": "x"}]
)


@st.composite
def damaged(draw: st.DrawFn) -> Line:
    """A line with a part of it, at any depth, taken away or replaced."""
    line = deepcopy(draw(st.sampled_from(REALISTIC)))
    holder: dict[str, Any] = line
    while True:
        name = draw(st.sampled_from(sorted(holder)))
        if not (isinstance(holder[name], dict) and holder[name] and draw(st.booleans())):
            break
        holder = holder[name]
    if holder is line and name == "type":
        return line  # a decoder lets no line without one through
    if draw(st.booleans()):
        del holder[name]
    else:
        holder[name] = draw(scraps)
    return line


GOOD_TURN: list[Input] = [QUEUED, STARTED, INIT, *answer("hi", "ho"), result("hiho"), rewound()]
conversations = st.sampled_from(["u1", "u1 a1 u2", "u1 a1 u2 a2 u3"])
noise = st.one_of(st.sampled_from(REALISTIC), damaged(), st.just(ABANDON))


@st.composite
def scenarios(draw: st.DrawFn) -> list[Input]:
    """Noise, or a turn that goes well with some of it changed."""
    if draw(st.booleans()):
        return draw(st.lists(noise, max_size=15))
    inputs = list(GOOD_TURN)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(inputs)))
        inputs[at : at + draw(st.integers(0, 1))] = draw(st.lists(noise, max_size=2))
    return inputs


@given(conversations, scenarios())
def test_whatever_comes_the_caller_is_told_one_end_and_nothing_after_it(
    conversation: str, inputs: list[Input]
) -> None:
    exchange = exchange_of(conversation, settings=("s1",))
    exchange.begin()
    is_answered, is_over, error = False, False, None
    for action in inputs:
        output, events = feed(exchange, [action])
        if is_answered:
            assert exchange.is_answered
            assert not events
            assert exchange.error is error
        if is_over:
            assert exchange.is_over
            assert not output
        if exchange.is_clean and not is_over:
            assert isinstance(action, dict)
            assert action["response"]["response"]["rewound"] is True
        is_answered, is_over, error = exchange.is_answered, exchange.is_over, exchange.error


@given(conversations, scenarios())
def test_lines_of_one_read_are_as_good_as_read_one_by_one(
    conversation: str, inputs: list[Input]
) -> None:
    lines = [item for item in inputs if isinstance(item, dict)]
    one_by_one, at_once = begun(conversation), begun(conversation)
    output, events = feed(one_by_one, lines)
    step = at_once.receive(lines)
    assert (written(step.output), list(step.events)) == (output, events)
    assert at_once.state is one_by_one.state
    assert repr(at_once.error) == repr(one_by_one.error)
