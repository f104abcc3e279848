"""Whole turns as the real CLI wrote them, and what of each reaches the caller."""

from collections.abc import Iterator

import orjson
import pytest
from attrs import field, frozen

from tests.claude.driver import exchange_of
from tests.claude.lines import (
    CLOSE,
    COMPLETED,
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
    events_of,
    refusal,
    result,
    synthetic,
    user,
)
from trioproxy.claude.exchange import Exchange
from trioproxy.claude.failure import failure
from trioproxy.claude.turn import Event
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, CliFailed, TrioproxyError

PROLOGUE = [QUEUED, STARTED, INIT]


@frozen
class Transcript:
    """What the CLI wrote between the query and the rewind; what of its events is the answer."""

    name: str
    lines: list[Line]
    events: list[Event] = field(factory=list)
    error: TrioproxyError | None = None


TOOL = [
    REQUESTING,
    START,
    event("content_block_start", index=0, content_block={"type": "tool_use", "input": {}}),
    event(
        "content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{}"}
    ),
    assistant(),
    user("<tool_use_error>Error: No such tool available: get_weather</tool_use_error>"),
    CLOSE,
    ended("tool_use"),
    STOP,
]
THINKING = [
    REQUESTING,
    START,
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
    {"type": "system", "subtype": "thinking_tokens"},
    event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
    assistant(),
    CLOSE,
    ended("end_turn"),
    STOP,
]
EMPTY = [REQUESTING, START, ended("end_turn"), STOP]
GO_ON = user("Output token limit hit. Resume directly", is_synthetic=True)
NOTHING_SEEN = user("[Your previous response had no visible output.]", is_synthetic=True)
STOPPED = user("Your response above was stopped by a safety classifier")
TOO_LONG = "API Error: Claude's response exceeded the 55 output token maximum."
CANNOT = "API Error: Haiku 4.5 can't help with this."
CUT = answer("cut", reason="max_tokens")
REFUSED = answer("I", reason="refusal")
BEGUN = [REQUESTING, START, OPEN, delta("a"), delta("b")]
FALSE_END = [CLOSE, ended(None), STOP]  # what the CLI closes a broken stream with
LOST = "API Error: Connection to the API was lost (ECONNRESET)."

TRANSCRIPTS = [
    Transcript(
        "an answer",
        [*PROLOGUE, *answer("hi", " there"), result("hi there"), COMPLETED],
        events_of(answer("hi", " there")),
    ),
    Transcript(
        "an answer that stopped at a sequence",
        [*PROLOGUE, *answer("hi", reason="stop_sequence"), result("hi")],
        events_of(answer("hi", reason="stop_sequence")),
    ),
    Transcript(
        "a tool is wanted, which the CLI does not have and says so",
        [
            *PROLOGUE,
            *TOOL,
            result(
                subtype="error_max_turns",
                is_error=True,
                terminal_reason="max_turns",
                errors=["Reached maximum number of turns (1)"],
            ),
        ],
        events_of(TOOL),
    ),
    Transcript(
        "an answer that was paused",
        [*PROLOGUE, *answer("hi", reason="pause_turn"), result("hi")],
        events_of(answer("hi", reason="pause_turn")),
    ),
    # The CLI goes on by itself. It would be interrupted, but may have run ahead as far as this.
    Transcript(
        "a cut answer, which the CLI has the model go on with three times",
        [*PROLOGUE, *CUT, *([GO_ON, *CUT] * 3), synthetic(TOO_LONG), api_error(None, TOO_LONG)],
        events_of(CUT),
    ),
    Transcript(
        "a cut answer, which the model goes on with and ends",
        [*PROLOGUE, *CUT, GO_ON, *answer("off"), result("off")],
        events_of(CUT),
    ),
    Transcript(
        "an empty answer, which the CLI asks again for",
        [*PROLOGUE, *EMPTY, NOTHING_SEEN, *answer("visible"), result("visible")],
        events_of(EMPTY),
    ),
    Transcript(
        "thinking alone, which the CLI asks again after",
        [*PROLOGUE, *THINKING, NOTHING_SEEN, *THINKING, result()],
        events_of(THINKING),
    ),
    Transcript(
        "a refusal, which the CLI asks again after",
        [*PROLOGUE, *REFUSED, STOPPED, *REFUSED[:-2], synthetic(CANNOT), *REFUSED[-2:],
         api_error(None, CANNOT, stop_reason="refusal")],
        events_of(REFUSED),
    ),
    Transcript(
        "a refusal after some text",
        [*PROLOGUE, *refusal("I", " would", explanation="too much"), COMPLETED],
        events_of(refusal("I", " would", explanation="too much")),
    ),
    Transcript(
        "a refusal without a word",
        [*PROLOGUE, *refusal(), COMPLETED],
        events_of(refusal()),
    ),
    Transcript(
        "a refusal whose stream is lost before its end",
        [*PROLOGUE, *BEGUN, CLOSE, synthetic(CANNOT, "refusal"), synthetic(LOST), *FALSE_END[1:],
         api_error(None, LOST, api_error="connection_failed")],
        events_of([*BEGUN, CLOSE]),
        ApiError(502, "api_error", LOST),
    ),
    Transcript(
        "a refusal that the stream never says, and is closed",
        [*PROLOGUE, *BEGUN, CLOSE, synthetic(CANNOT, "refusal"), STOP,
         api_error(None, CANNOT, stop_reason="refusal")],
        events_of([*BEGUN, CLOSE]),
        ApiError(502, "api_error", CANNOT),
    ),
    # The API fails.
    Transcript(
        "overloaded at once",
        [*PROLOGUE, REQUESTING, synthetic("API Error: 529 Overloaded."),
         api_error(529, "API Error: 529 Overloaded.", api_error_type="overloaded_error")],
        error=ApiError(529, "overloaded_error", "Overloaded."),
    ),
    Transcript(
        "overloaded mid-stream",
        [*PROLOGUE, *BEGUN, synthetic("API Error: Overloaded"), *FALSE_END,
         api_error(529, "API Error: Overloaded", api_error_type="overloaded_error")],
        events_of(BEGUN),
        ApiError(529, "overloaded_error", "Overloaded"),
    ),
    Transcript(
        "overloaded after the first event",
        [*PROLOGUE, REQUESTING, START, synthetic("API Error: Overloaded"), *FALSE_END[1:],
         api_error(529, "API Error: Overloaded", api_error_type="overloaded_error")],
        events_of([START]),
        ApiError(529, "overloaded_error", "Overloaded"),
    ),
    Transcript(
        "the connection is lost mid-stream",
        [*PROLOGUE, *BEGUN, synthetic(LOST), *FALSE_END,
         api_error(None, LOST, api_error="connection_failed")],
        events_of(BEGUN),
        ApiError(502, "api_error", LOST),
    ),
    Transcript(
        "a broken stream is closed without a word of why",
        [*PROLOGUE, *BEGUN, *FALSE_END, api_error(None, LOST, api_error="connection_failed")],
        events_of([*BEGUN, CLOSE]),
        ApiError(502, "api_error", LOST),
    ),
    Transcript(
        "a stream without a beginning",
        [*PROLOGUE, REQUESTING, OPEN, delta("a"), synthetic("API Error: Message not found"),
         api_error(None, "API Error: Message not found")],
        events_of([OPEN, delta("a")]),
        ApiError(502, "api_error", "API Error: Message not found"),
    ),
    # The CLI answers itself.
    Transcript(
        "a command",
        [*PROLOGUE, synthetic("/cost isn't there"), result("/cost isn't there", num_turns=0)],
        error=CliFailed("The CLI returned no model response."),
    ),
    Transcript(
        "a blank message",
        [*PROLOGUE, result("", num_turns=0)],
        error=CliFailed("The CLI returned no model response."),
    ),
]  # fmt: skip
transcript = pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda case: case.name)


def accepting(exchange: Exchange, lines: list[Line], size: int) -> Iterator[Event]:
    """The events of a turn with a CLI that takes everything, read `size` lines at a time."""
    exchange.begin()
    waiting = list(lines)
    while waiting:
        read, waiting = waiting[:size], waiting[size:]
        step = exchange.receive(read)
        yield from step.events
        for asked in map(orjson.loads, step.output.splitlines()):
            waiting.append(accepted(asked["request_id"], rewound=True))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@transcript
def test_a_turn_that_the_cli_wrote(transcript: Transcript, size: int) -> None:
    exchange = exchange_of()
    assert list(accepting(exchange, transcript.lines, size)) == transcript.events
    assert exchange.is_clean
    assert type(exchange.error) is type(transcript.error)
    if transcript.error is not None:
        assert exchange.error is not None
        assert exchange.error.message == transcript.error.message
        assert exchange.error.status == transcript.error.status
        assert exchange.error.type == transcript.error.type


@pytest.mark.parametrize(
    "name", ["an answer", "a tool is wanted, which the CLI does not have and says so"]
)
def test_a_whole_answer_ends_with_its_last_event(name: str) -> None:
    (found,) = (item for item in TRANSCRIPTS if item.name == name)
    exchange = exchange_of()
    exchange.begin()
    before_the_result = [line for line in found.lines if line["type"] != "result"]
    for line in before_the_result:
        is_last = line is STOP
        assert not exchange.is_answered or line is COMPLETED
        exchange.receive([line])
        assert exchange.is_answered or not is_last
    assert not exchange.is_over


@transcript
def test_an_answer_cut_short_anywhere_is_never_told_as_a_whole_one(transcript: Transcript) -> None:
    for end in range(len(transcript.lines)):
        exchange = exchange_of()
        exchange.begin()
        events = exchange.receive(transcript.lines[:end]).events
        assert list(events) == transcript.events[: len(events)]
        if exchange.is_answered and exchange.error is None:
            assert events[-1]["type"] == "message_stop"


# -- What a result tells --------------------------------------------------------------------------


@frozen
class ItemEvent:
    """A result that is no answer, and the error that a caller sees."""

    name: str
    result: Line
    status: int
    type: str
    message: str


LOGIN = (
    "The Claude CLI is not logged in. Run `claude auth login` as the user that runs this server, "
    "or set ANTHROPIC_API_KEY in its environment, and restart it."
)

TOLD = [
    ItemEvent(
        f"{status} {kind}",
        api_error(status, f"API Error: {status} What was wrong", api_error_type=kind),
        status, kind, "What was wrong",
    )
    for status, kind in [
        (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
        (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"),
        (500, "api_error"), (503, "api_error"), (529, "overloaded_error"), (402, "billing_error"),
    ]
] + [
    ItemEvent(
        f"{status} without a type",
        api_error(status, f"API Error: {status} status code (no body)"),
        status, kind, "status code (no body)",
    )
    for status, kind in [
        (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
        (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"),
        (500, "api_error"), (502, "api_error"), (418, "api_error"), (529, "overloaded_error"),
    ]
] + [
    ItemEvent(
        "a status inside the text is left",
        api_error(400, "API Error: 400 max_tokens: 400 is too many", api_error_type="x"),
        400, "x", "max_tokens: 400 is too many",
    ),
    ItemEvent(
        "not logged in",
        api_error(None, "Not logged in · Please run /login"),
        401, "authentication_error", LOGIN,
    ),
    ItemEvent(
        "connection refused",
        api_error(None, "API Error: Connection refused", api_error="connection_failed"),
        502, "api_error", "API Error: Connection refused",
    ),
    ItemEvent(
        "a stream with nothing in it",
        api_error(None, "API Error: Stream ended without receiving any events"),
        502, "api_error", "API Error: Stream ended without receiving any events",
    ),
    ItemEvent(
        "errors instead of a text",
        {"type": "result", "subtype": "error_during_execution", "errors": ["one", "two"]},
        500, "api_error", "The CLI returned no model response.",
    ),
    ItemEvent(
        "nothing but a subtype",
        {"type": "result", "subtype": "error_max_budget"},
        500, "api_error", "The CLI returned no model response.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("shown", TOLD, ids=lambda case: case.name)
def test_a_result_tells_an_error(shown: ItemEvent) -> None:
    error = failure(shown.result)
    assert (error.status, error.type, error.message) == (shown.status, shown.type, shown.message)
    assert isinstance(error, CliFailed) == (
        shown.message.startswith("The CLI returned no model response")
    )


@pytest.mark.parametrize("status", [304, 200, 0, 999, True])
def test_a_status_that_is_no_errors_is_a_bad_gateways(status: int) -> None:
    error = failure(api_error(status, f"API Error: {status} status code (no body)"))
    assert error.status == 502
