from collections.abc import Sequence

import orjson
import pytest
from attrs import field, frozen

from tests.claude.driver import (
    ABANDON,
    REACHED,
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
    lifecycle,
    rejected,
    result,
    rewound,
    synthetic,
    user,
)
from trioproxy.claude.exchange import IllegalStep
from trioproxy.claude.states import OVER, TRANSITIONS, Action, State
from trioproxy.claude.states import Input as Comes
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, CliFailed

REFUSED = ApiError(400, "invalid_request_error", "no effort")

# -- The table --------------------------------------------------------------------------------

each_state = pytest.mark.parametrize("state", State, ids=lambda item: item.name)
each_state_before_the_end = pytest.mark.parametrize(
    "state", [item for item in State if not begun_in(item).is_over], ids=lambda item: item.name
)


@each_state
def test_every_state_can_be_reached(state: State) -> None:
    exchange = begun_in(state)
    assert exchange.state is state
    assert exchange.is_over == (state in {State.CLEAN, State.SPOILED})
    assert exchange.is_clean == (state is State.CLEAN)
    waiting = {
        State.BINDING,
        State.UNBINDING,
        State.REPLAYING,
        State.LEAVING,
        State.ANSWERING,
    }
    assert exchange.is_answered == (state not in waiting)


@frozen
class Row:
    """From a state, what comes, what is then written and handed on, and the next state."""

    name: str
    before: State
    conversation: str
    given: Sequence[Input]
    comes: Input
    after: State
    output: list[str] = field(factory=list)
    events: list[str] = field(factory=list)
    own_tools: bool = False


HI = [*RUNNING, OPEN, delta("hi"), assistant("hi"), CLOSE]

ROWS = [
    Row(
        "the prompt is there, more history to come",
        State.BINDING, "b1 b2 u1 a1 u2", [accepted("b1")], accepted("b2"),
        State.REPLAYING, output=["u1"],
    ),
    Row(
        "the prompt is there",
        State.BINDING, "b1 b2 u1", [accepted("b1")], accepted("b2"),
        State.ANSWERING, output=["u1?"],
    ),
    Row(
        "the caller leaves before the prompt is there",
        State.BINDING, "b1 b2 u1", [accepted("b1")], ABANDON,
        State.UNBINDING,
    ),
    Row(
        "an event before anything was asked",
        State.BINDING, "b1 b2 u1", [accepted("b1")], START,
        State.SPOILED,
    ),
    Row(
        "a result before anything was asked",
        State.BINDING, "b1 b2 u1", [accepted("b1")], HISTORY_RESULT,
        State.SPOILED,
    ),
    Row(
        "an event that nobody asked for",
        State.UNBINDING, "b1 b2 u1", [accepted("b1"), ABANDON], START,
        State.SPOILED,
    ),
    Row(
        "a result that nobody asked for",
        State.UNBINDING, "b1 b2 u1", [accepted("b1"), ABANDON], result("hi"),
        State.SPOILED,
    ),
    Row(
        "the prompt that nobody needs is there",
        State.UNBINDING, "b1 b2 u1", [accepted("b1"), ABANDON], accepted("b2"),
        State.CLEAN,
    ),
    Row(
        "a history message is taken, more history to come",
        State.REPLAYING, "u1 a1 u2 a2 u3", [], HISTORY_RESULT,
        State.REPLAYING, output=["a1", "u2"],
    ),
    Row(
        "the last history message is taken",
        State.REPLAYING, "u1 a1 u2", [], HISTORY_RESULT,
        State.ANSWERING, output=["a1", "u2?"],
    ),
    Row(
        "a history message is answered",
        State.REPLAYING, "u1 a1 u2", [], result("/cost isn't available"),
        State.RESETTING, output=["rewind_conversation"],
    ),
    Row(
        "the caller leaves the history",
        State.REPLAYING, "u1 a1 u2", [], ABANDON,
        State.LEAVING,
    ),
    Row(
        "the history message that was left is taken",
        State.LEAVING, "u1 a1 u2", [ABANDON], HISTORY_RESULT,
        State.RESETTING, output=["rewind_conversation"],
    ),
    Row(
        "an event",
        State.ANSWERING, "u1", HI[:-2], CLOSE,
        State.ANSWERING, events=["content_block_stop"],
    ),
    Row(
        "the end of an answer that is complete",
        State.ANSWERING, "u1", [*HI, ended("end_turn")], STOP,
        State.SETTLING, events=["message_stop"],
    ),
    Row(
        "an answer is cut",
        State.ANSWERING, "u1", HI, ended("max_tokens"),
        State.ANSWERING, output=["interrupt"], events=["message_delta"],
    ),
    Row(
        "the end of an answer that was cut",
        State.ANSWERING, "u1", [*HI, ended("max_tokens")], STOP,
        State.SETTLING, events=["message_stop"],
    ),
    Row(
        "a result with no whole answer before it",
        State.ANSWERING, "u1", [QUEUED, STARTED], result("/cost isn't available"),
        State.RESETTING, output=["rewind_conversation"],
    ),
    Row(
        "a result at the most calls",
        State.ANSWERING, "u1", HI, {**result(""), "subtype": "error_max_turns"},
        State.RESETTING, output=["rewind_conversation"],
        events=["message_delta", "message_stop"], own_tools=True,
    ),
    Row(
        "the caller leaves before the query has begun",
        State.ANSWERING, "u1", [QUEUED], ABANDON,
        State.SETTLING,
    ),
    Row(
        "the caller leaves after the query has begun",
        State.ANSWERING, "u1", [QUEUED, STARTED], ABANDON,
        State.SETTLING, output=["interrupt"],
    ),
    Row(
        "the query that was left begins",
        State.SETTLING, "u1", [QUEUED, ABANDON], STARTED,
        State.SETTLING, output=["interrupt"],
    ),
    Row(
        "an answer that is complete goes on all the same",
        State.SETTLING, "u1", [*HI, ended("end_turn"), STOP], REQUESTING,
        State.SETTLING, output=["interrupt"],
    ),
    Row(
        "an answer to what the API has refused before",
        State.ANSWERING, "u1", [QUEUED, STARTED, INIT, REQUESTING, REFUSED], START,
        State.SPOILED,
    ),
    Row(
        "the result of a complete answer",
        State.SETTLING, "u1", [*HI, ended("end_turn"), STOP], result("hi"),
        State.RESETTING, output=["rewind_conversation"],
    ),
    Row(
        "the result of what was interrupted",
        State.SETTLING, "u1", [*HI, ABANDON], ABORTED,
        State.RESETTING, output=["rewind_conversation"],
    ),
    Row(
        "the conversation is empty",
        State.RESETTING, "u1", [*answer("hi"), result("hi")], rewound(),
        State.CLEAN,
    ),
    Row(
        "the conversation is said not to be empty",
        State.RESETTING, "u1", [*answer("hi"), result("hi")], accepted("c1", rewound=False),
        State.SPOILED,
    ),
    Row(
        "a second result",
        State.RESETTING, "u1", [*answer("hi"), result("hi")], result("hi"),
        State.SPOILED,
    ),
]  # fmt: skip
row = pytest.mark.parametrize("row", ROWS, ids=lambda item: item.name)


@row
def test_a_row_of_the_table(row: Row) -> None:
    exchange = begun(row.conversation, *row.given, own_tools=row.own_tools)
    assert exchange.state is row.before
    output, events = feed(exchange, [row.comes])
    assert exchange.state is row.after
    assert output == row.output
    assert [event["type"] for event in events] == row.events


COMES = {
    "the prompt is there, more history to come": Comes.GRANTED,
    "the prompt is there": Comes.GRANTED,
    "the caller leaves before the prompt is there": Comes.ABANDON,
    "an event before anything was asked": Comes.EVENT,
    "a result before anything was asked": Comes.RESULT,
    "the prompt that nobody needs is there": Comes.GRANTED,
    "an event that nobody asked for": Comes.EVENT,
    "a result that nobody asked for": Comes.RESULT,
    "a history message is taken, more history to come": Comes.TAKEN,
    "the last history message is taken": Comes.TAKEN,
    "a history message is answered": Comes.RESULT,
    "the caller leaves the history": Comes.ABANDON,
    "the history message that was left is taken": Comes.RESULT,
    "an event": Comes.EVENT,
    "the end of an answer that is complete": Comes.STOP,
    "an answer is cut": Comes.CUT,
    "the end of an answer that was cut": Comes.STOP,
    "a result with no whole answer before it": Comes.RESULT,
    "a result at the most calls": Comes.CAPPED,
    "the caller leaves before the query has begun": Comes.ABANDON,
    "the caller leaves after the query has begun": Comes.ABANDON,
    "the query that was left begins": Comes.SIGN,
    "an answer that is complete goes on all the same": Comes.SIGN,
    "an answer to what the API has refused before": Comes.OTHER,
    "the result of a complete answer": Comes.RESULT,
    "the result of what was interrupted": Comes.RESULT,
    "the conversation is empty": Comes.REWOUND,
    "the conversation is said not to be empty": Comes.NOT_REWOUND,
    "a second result": Comes.RESULT,
}
"""What comes in each row, as the table of states has it."""

IN_ANY_STATE = {Comes.REJECTED, Comes.QUESTION, Comes.MISSHAPEN}


def test_each_transition_of_the_table_has_a_row() -> None:
    table = {
        (before, comes)
        for before, rows in TRANSITIONS.items()
        for comes in rows
        if comes not in IN_ANY_STATE
    }
    # Written by the exchange itself, when it has written the last segment.
    assert {(row.before, COMES[row.name]) for row in ROWS} == table - {
        (State.REPLAYING, Comes.QUERY)
    }


def test_the_ends_know_nothing_any_more() -> None:
    assert [state for state in State if not TRANSITIONS[state]] == list(OVER)


@row
def test_what_follows_in_a_row_is_what_the_table_says(row: Row) -> None:
    actions, after = TRANSITIONS[row.before][COMES[row.name]]
    exchange = begun(row.conversation, *row.given, own_tools=row.own_tools)
    was_answered = exchange.is_answered
    output, events = feed(exchange, [row.comes])
    has_error = exchange.error is not None
    assert has_error == (Action.FAIL in actions and not was_answered)
    assert bool(events) == (Action.HAND_ON in actions)
    assert ("rewind_conversation" in output) == (Action.REWIND in actions)
    assert any(text.startswith("u") for text in output) == (Action.WRITE in actions)
    may_interrupt = {Action.INTERRUPT, Action.INTERRUPT_BEGUN} & {*actions}
    assert may_interrupt or "interrupt" not in output
    assert "interrupt" in output or Action.INTERRUPT not in actions
    is_query = Action.WRITE in actions and exchange.state is State.ANSWERING
    assert exchange.state is (State.ANSWERING if is_query else after)


@each_state
def test_a_control_request_that_fails_spoils_any_state(state: State) -> None:
    conversation, inputs = REACHED[state]
    exchange = exchange_of(conversation, settings=("s1",))
    exchange.begin()
    feed(exchange, inputs)
    before = exchange.error
    was_answered, was_over = exchange.is_answered, exchange.is_over
    assert feed(exchange, [rejected("s1", "no such model")]) == ([], [])
    assert exchange.state is State.SPOILED
    if not was_answered:
        assert isinstance(exchange.error, CliFailed)
        assert exchange.error.message == "The CLI rejected a setting: no such model"
    else:
        assert exchange.error is before
    assert was_over == (state in {State.CLEAN, State.SPOILED})


PASSED_OVER: list[Line] = [
    INIT,
    QUEUED,
    COMPLETED,
    lifecycle("started", "of another message"),
    {"type": "system", "subtype": "informational"},
    user("Request interrupted"),
    assistant("hi"),
    accepted("of nobody", rewound=True),
    rejected("of nobody"),
    {"type": "keep_alive"},
    {"type": "stream_event_of_a_later_version", "event": {"type": "message_stop"}},
]


@each_state
@pytest.mark.parametrize("line", PASSED_OVER, ids=lambda case: str(case)[:60])
def test_other_lines_are_passed_over_in_every_state(state: State, line: Line) -> None:
    exchange = begun_in(state)
    error = exchange.error
    assert feed(exchange, [line]) == ([], [])
    assert exchange.state is state
    assert exchange.error is error


@pytest.mark.parametrize(
    "line", [START, result("hi"), HISTORY_RESULT], ids=["event", "end", "bare"]
)
@pytest.mark.parametrize("state", [State.BINDING, State.UNBINDING])
def test_what_comes_before_anything_was_asked_spoils(state: State, line: Line) -> None:
    exchange = begun_in(state)
    assert feed(exchange, [line]) == ([], [])
    assert exchange.state is State.SPOILED
    assert not exchange.was_asked
    assert isinstance(exchange.error, CliFailed)
    assert exchange.error.message == "The CLI answered before it was asked."


def test_a_setting_among_those_that_bind_is_waited_for_too() -> None:
    exchange = exchange_of("b1 u1", settings=("s1",))
    assert written(exchange.begin()) == ["reload_plugins"]
    assert feed(exchange, [accepted("b1")]) == ([], [])
    assert feed(exchange, [accepted("s1")])[0] == ["apply_flag_settings", "u1?"]


@pytest.mark.parametrize(
    "state", [State.UNBINDING, State.LEAVING, State.SETTLING, State.RESETTING]
)
def test_leaving_again_changes_nothing(state: State) -> None:
    exchange = begun_in(state)
    assert exchange.abandon() == b""
    assert exchange.state is state


@pytest.mark.parametrize("state", [State.CLEAN, State.SPOILED])
def test_lines_after_the_end_are_ignored(state: State) -> None:
    exchange = begun_in(state)
    lines = [*answer("more"), result("more"), rewound(), rejected("c1"), {"type": "stream_event"}]
    assert feed(exchange, [*lines, ABANDON]) == ([], [])
    assert exchange.state is state


def test_beginning_twice_is_a_fault_of_the_program() -> None:
    exchange = begun("u1 a1 u2")
    with pytest.raises(IllegalStep, match=r"^begin\(\) while replaying the history$"):
        exchange.begin()


def test_nothing_is_rewound_that_was_not_asked_to_be() -> None:
    exchange = begun("u1", *HI)
    feed(exchange, [accepted("", rewound=True)])
    assert exchange.state is State.ANSWERING


def test_the_repr_tells_the_state() -> None:
    exchange = exchange_of("u1 a1 u2")
    assert repr(exchange) == "<Exchange, replaying the history, 2 segments to go>"
    exchange.begin()
    feed(exchange, [HISTORY_RESULT])
    assert repr(exchange) == "<Exchange, answering, 0 segments to go>"


# -- The history ------------------------------------------------------------------------------


def test_the_next_segment_is_written_only_after_the_result_of_the_last() -> None:
    exchange = exchange_of("u1 a1 u2 a2 u3", settings=("s1",))
    assert written(exchange.begin()) == ["apply_flag_settings", "u1"]
    assert feed(exchange, [accepted("s1"), QUEUED, STARTED, INIT]) == ([], [])
    assert feed(exchange, [HISTORY_RESULT]) == (["a1", "u2"], [])
    assert feed(exchange, [COMPLETED, lifecycle("queued", "m3"), lifecycle("started", "m3")]) == (
        [],
        [],
    )
    assert feed(exchange, [HISTORY_RESULT]) == (["a2", "u3?"], [])
    assert exchange.state is State.ANSWERING


def test_only_user_messages_are_guarded_and_only_history_is_marked() -> None:
    exchange = exchange_of("u1 a1 u2")
    data = exchange.begin() + exchange.receive([HISTORY_RESULT]).output
    lines = [orjson.loads(line) for line in data.splitlines()]
    guard = {"type": "text", "text": " "}
    assert [line["uuid"] for line in lines] == ["m1", "m2", "m3"]
    assert [line.get("shouldQuery") for line in lines] == [False, None, None]
    assert [line["message"]["content"] for line in lines] == [
        [{"type": "text", "text": "u1"}, guard],
        [{"type": "text", "text": "a1"}],
        [{"type": "text", "text": "u2"}, guard],
    ]


def test_a_conversation_is_rewound_from_its_first_message_to_its_last() -> None:
    exchange = begun("u1 a1 u2 a2 u3", HISTORY_RESULT, HISTORY_RESULT, *answer("hi"))
    rewind = orjson.loads(exchange.receive([result("hi")]).output)
    assert rewind["request_id"] == "c1"
    assert rewind["request"] == {
        "subtype": "rewind_conversation",
        "target_message_uuid": "m1",
        "last_seen_user_message_uuid": "m5",
    }


def test_a_history_that_was_left_is_rewound_to_the_last_message_that_was_written() -> None:
    exchange = begun("u1 a1 u2 a2 u3", HISTORY_RESULT, ABANDON)
    rewind = orjson.loads(exchange.receive([HISTORY_RESULT]).output)["request"]
    assert rewind["target_message_uuid"] == "m1"
    assert rewind["last_seen_user_message_uuid"] == "m3"
    feed(exchange, [rewound()])
    assert exchange.is_clean
    assert exchange.error is None


@pytest.mark.parametrize(
    "line",
    [result("/cost isn't available"), result("", is_error=True), api_error(529, "Overloaded")],
    ids=["a text", "an error", "both"],
)
def test_a_history_message_that_the_cli_answers_itself_ends_the_turn(line: Line) -> None:
    exchange = begun("u1 a1 u2")
    assert feed(exchange, [line]) == (["rewind_conversation"], [])
    assert exchange.is_answered
    assert isinstance(exchange.error, CliFailed)
    assert "answered a message of the history instead" in exchange.error.message
    feed(exchange, [rewound()])
    assert exchange.is_clean


def test_what_the_history_brings_up_is_not_handed_on() -> None:
    exchange = begun("u1 a1 u2")
    assert feed(exchange, [REQUESTING, OPEN, delta("hi"), ended("end_turn"), STOP]) == ([], [])
    assert exchange.state is State.REPLAYING


# -- Interrupts -------------------------------------------------------------------------------


@frozen
class Interrupted:
    """When the caller leaves, and at which of the lines that follow an interrupt is written."""

    name: str
    given: Sequence[Input]
    follow: list[tuple[Line, bool]]


INTERRUPTED = [
    Interrupted(
        "before anything",
        [ABANDON],
        [(QUEUED, False), (STARTED, True), (INIT, False), (REQUESTING, True), (START, True)],
    ),
    Interrupted(
        "another message's beginning is no sign",
        [ABANDON],
        [(lifecycle("started", "m0"), False), (REQUESTING, False), (STARTED, True)],
    ),
    Interrupted(
        "as it begins",
        [STARTED, ABANDON],
        [(INIT, False), (REQUESTING, True), (START, True), (OPEN, False)],
    ),
    Interrupted(
        "mid-stream",
        [*HI[:-2], ABANDON],
        [(delta("a"), False), (CLOSE, False), (ended(None), False), (STOP, False)],
    ),
    Interrupted(
        "between two API calls",
        [*HI, ended("end_turn"), STOP],
        [(user("Go on", is_synthetic=True), False), (REQUESTING, True), (START, True)],
    ),
    Interrupted(
        "never, when it just ends",
        [*HI, ended("end_turn"), STOP],
        [(lifecycle("completed"), False), (assistant("hi"), False)],
    ),
]


@pytest.mark.parametrize("case", INTERRUPTED, ids=lambda item: item.name)
def test_an_interrupt_waits_for_a_sign_of_life_and_follows_each(case: Interrupted) -> None:
    exchange = begun("u1", *case.given)
    for line, is_sign in case.follow:
        assert feed(exchange, [line]) == (["interrupt"] if is_sign else [], []), line
        assert exchange.state is State.SETTLING


def test_the_beginning_of_a_history_message_is_no_sign_that_the_query_runs() -> None:
    exchange = begun("u1 a1 u2", QUEUED, STARTED, INIT, HISTORY_RESULT)
    assert feed(exchange, [ABANDON, INIT, REQUESTING, COMPLETED]) == ([], [])
    assert feed(exchange, [lifecycle("started", "m3")]) == (["interrupt"], [])


def test_all_interrupts_must_be_answered_for_the_process_to_be_clean() -> None:
    exchange = begun("u1", STARTED, ABANDON, REQUESTING)  # c1 and c2
    feed(exchange, [accepted("c2"), ABORTED, rewound("c3")])
    assert exchange.state is State.SPOILED


def test_the_answers_to_interrupts_may_come_after_the_result() -> None:
    exchange = begun("u1", STARTED, ABANDON, REQUESTING, START)
    feed(exchange, [accepted("c1"), ABORTED, accepted("c2"), accepted("c3"), rewound("c4")])
    assert exchange.is_clean
    assert exchange.error is None


def test_settings_must_be_answered_for_the_process_to_be_clean() -> None:
    exchange = exchange_of("u1", settings=("s1",))
    exchange.begin()
    feed(exchange, [*answer("hi"), result("hi"), rewound()])
    assert exchange.state is State.SPOILED
    assert exchange.error is None  # the caller has had an answer


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use"])
def test_an_answer_that_the_cli_leaves_as_it_is_is_not_interrupted(reason: str) -> None:
    assert feed(begun(), [*HI, ended(reason), STOP])[0] == []


@pytest.mark.parametrize(
    "reason", ["max_tokens", "model_context_window_exceeded", "refusal", "of a later API"]
)
def test_an_answer_that_the_cli_may_go_on_with_is_interrupted_once(reason: str) -> None:
    assert feed(begun(), [*HI, ended(reason), STOP])[0] == ["interrupt"]


# -- What proves a process clean --------------------------------------------------------------

NO_PROOF: list[Line] = [
    accepted("c1"),
    accepted("c1", rewound=False),
    accepted("c1", rewound=None),
    accepted("c1", rewound=1),
    accepted("c1", rewound="true"),
    accepted("c1", error="stale_target"),
    rejected("c1"),
    {"type": "control_response", "response": {"subtype": "success", "request_id": "c1"}},
    {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": "c1", "response": None},
    },
]


@pytest.mark.parametrize("line", NO_PROOF, ids=lambda case: str(case["response"]))
def test_only_a_true_rewound_proves_that_a_process_is_clean(line: Line) -> None:
    exchange = begun("u1", *answer("hi"), result("hi"), line)
    assert exchange.state is State.SPOILED
    assert exchange.error is None  # the caller has had an answer


@each_state_before_the_end
def test_a_question_of_the_clis_spoils_the_exchange(state: State) -> None:
    exchange = begun_in(state)
    was_answered = exchange.is_answered
    feed(
        exchange,
        [{"type": "control_request", "request_id": "x", "request": {"subtype": "can_use_tool"}}],
    )
    assert exchange.state is State.SPOILED
    assert isinstance(exchange.error, CliFailed) != was_answered


# -- What the API has refused, and what the CLI makes of it --------------------------------------


def test_an_answer_after_a_refusal_is_to_another_request() -> None:
    exchange = begun("u1", QUEUED, STARTED, INIT, REQUESTING)
    exchange.refused(REFUSED)
    exchange.refused(ApiError(404, "not_found_error", "later"))
    written_then, events = feed(exchange, answer("hi"))
    assert (events, exchange.error) == ([], REFUSED)
    assert exchange.state is State.SPOILED
    assert not exchange.is_clean
    assert "rewind_conversation" not in written_then


def test_a_result_without_an_error_after_a_refusal_is_the_refusal() -> None:
    exchange = begun("u1", QUEUED, STARTED, INIT, REQUESTING)
    exchange.refused(REFUSED)
    feed(exchange, [assistant("whole"), result("whole")])
    assert exchange.error is REFUSED
    assert exchange.state is State.RESETTING


def test_a_result_with_an_error_after_a_refusal_tells_its_own() -> None:
    exchange = begun("u1", QUEUED, STARTED, INIT, REQUESTING)
    exchange.refused(REFUSED)
    feed(exchange, [synthetic("busy"), api_error(529, "API Error: 529 busy")])
    assert isinstance(exchange.error, ApiError)
    assert exchange.error.status == 529


def test_a_refusal_counts_only_while_answering() -> None:
    exchange = begun("u1", *RUNNING, ABANDON)
    exchange.refused(REFUSED)
    feed(exchange, [ABORTED, rewound("c2")])
    assert exchange.error is None


def test_a_message_stop_without_an_end_is_none() -> None:
    exchange = begun("u1", *RUNNING)
    _, events = feed(exchange, [OPEN, delta("hi"), CLOSE, STOP])
    assert [event["type"] for event in events][-1] == "content_block_stop"
    assert exchange.state is State.ANSWERING
    feed(exchange, [api_error(None, "API Error: Server error mid-response.")])
    assert isinstance(exchange.error, ApiError)


def test_an_answer_that_shows_nothing_is_interrupted() -> None:
    for text in ("", " \n"):
        exchange = begun("u1", *RUNNING)
        output, events = feed(exchange, [OPEN, delta(text), CLOSE, ended("end_turn"), STOP])
        assert output == ["interrupt"]
        assert events[-1]["type"] == "message_stop"
        assert exchange.is_answered


def test_a_sub_agents_events_are_not_the_callers() -> None:
    exchange = begun("u1", *RUNNING)
    _, events = feed(exchange, [{**delta("x"), "parent_tool_use_id": "toolu_1"}])
    assert events == []


def test_what_a_process_tells_beside_its_answer_is_kept() -> None:
    exchange = begun("u1", *RUNNING)
    assert (exchange.total_cost, exchange.upstream_id) == (None, None)
    feed(exchange, [{**synthetic("busy"), "request_id": "req_7"}])
    assert exchange.upstream_id == "req_7"
    feed(exchange, [{**api_error(529, "API Error: 529 busy"), "total_cost_usd": 0.5}])
    assert exchange.total_cost == 0.5


def test_what_a_process_that_is_bound_says_of_itself_is_kept() -> None:
    exchange = exchange_of("u1", settings=("s1", "s2"))
    exchange.begin()
    assert exchange.was_asked
    feed(exchange, [accepted("s1", models=["a"]), accepted("s2", other=1)])
    assert exchange.initialized == {"models": ["a"]}


def test_an_end_at_the_most_calls_is_none_where_the_cli_has_no_tools() -> None:
    exchange = begun("u1", *HI)
    feed(exchange, [{**result(""), "subtype": "error_max_turns", "is_error": True}])
    assert exchange.error is not None


def test_each_call_of_the_api_has_to_show_and_to_end_something_itself() -> None:
    exchange = begun("u1", *HI, ended("end_turn"), own_tools=True)
    feed(exchange, [START, OPEN, delta("")])
    assert feed(exchange, [ended("end_turn")])[0] == ["interrupt"]  # of the second, nothing shows
    other = begun("u1", *HI, ended("tool_use"), own_tools=True)
    _, events = feed(other, [START, STOP, OPEN])
    assert events == []  # the second one has not ended


def test_nothing_follows_an_end_that_is_none() -> None:
    exchange = begun("u1", *HI)
    _, events = feed(exchange, [ended(None), delta("more"), ended("end_turn"), STOP])
    assert events == []


def test_a_cost_that_is_no_number_is_none() -> None:
    exchange = begun("u1", *RUNNING)
    feed(exchange, [{**result("hi"), "total_cost_usd": "much"}])
    assert exchange.total_cost is None


def test_an_answer_that_is_a_call_alone_shows_something() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    opened = {**OPEN, "event": {**OPEN["event"], "content_block": call}}
    exchange = begun("u1", *RUNNING)
    assert feed(exchange, [opened, CLOSE, ended("tool_use"), STOP])[0] == []
    assert exchange.error is None
