import json
from typing import Any

import anthropic
import pytest
from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.events import closed, delta, end, opened, start, text_block, thinking_block
from trioproxy.claude.turn import Event
from trioproxy.dialects.renderer import MessagesRenderer
from trioproxy.dialects.whole_message import WholeAnswer


def tool_block(index: int, *pieces: str) -> list[Event]:
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    opening = opened(index, type="tool_use", id=f"toolu_{index}", name="get_weather", input={})
    return [opening, *deltas, closed(index)]


def as_we_see_it(events: list[Event]) -> dict[str, Any]:
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    whole: dict[str, Any] = json.loads(MessagesRenderer().whole(answer))
    return whole


def as_the_sdk_sees_it(events: list[Event]) -> dict[str, Any]:
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        if event["type"] != "ping":  # which the SDK does not take in
            snapshot = accumulate_event(
                event=construct_type(type_=anthropic.types.RawMessageStreamEvent, value=event),  # type: ignore[arg-type]
                current_snapshot=snapshot,
                json_bufs=buffers,
            )
    seen: dict[str, Any] = without_nulls(json.loads(snapshot.to_json()))
    return seen


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@frozen
class Stream:
    name: str
    events: list[Event]


CITED = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}

STREAMS = [
    Stream("a text", [start(), *text_block(0, "Hel", "lo", "!"), *end("end_turn")]),
    Stream("an empty text", [start(), *text_block(0), *end("end_turn")]),
    Stream("no block", [start(), *end("end_turn")]),
    Stream(
        "several texts", [start(), *text_block(0, "a", "b"), *text_block(1, "c"), *end("end_turn")]
    ),
    Stream(
        "a text that began with its block",
        [
            start(),
            opened(0, type="text", text="a"),
            delta(0, "text_delta", text="b"),
            closed(0),
            *end("end_turn"),
        ],
    ),
    Stream("a stop sequence", [start(), *text_block(0, "a"), *end("stop_sequence", "END")]),
    Stream("cut off", [start(), *text_block(0, "a"), *end("max_tokens")]),
    Stream(
        "thinking",
        [start(), *thinking_block(0, "sig", "h", "m"), *text_block(1, "a"), *end("end_turn")],
    ),
    Stream(
        "redacted thinking",
        [
            start(),
            opened(0, type="redacted_thinking", data="x"),
            closed(0),
            *text_block(1, "a"),
            *end("end_turn"),
        ],
    ),
    Stream("a tool", [start(), *tool_block(0, '{"ci', 'ty":"Par', 'is"}'), *end("tool_use")]),
    Stream(
        "a tool that came with an empty piece",
        [start(), *tool_block(0, "", '{"a":1}'), *end("tool_use")],
    ),
    Stream("a tool without input", [start(), *tool_block(0, ""), *end("tool_use")]),
    Stream(
        "a text and tools",
        [
            start(),
            *text_block(0, "a"),
            *tool_block(1, '{"a":1}'),
            *tool_block(2, '{"b":[2]}'),
            *end("tool_use"),
        ],
    ),
    Stream(
        "citations",
        [
            start(),
            opened(0, type="text", text="", citations=[]),
            delta(0, "citations_delta", citation=CITED),
            delta(0, "text_delta", text="a"),
            delta(0, "citations_delta", citation=CITED),
            closed(0),
            *end("end_turn"),
        ],
    ),
    Stream(
        "a first citation without a list",
        [
            start(),
            opened(0, type="text", text=""),
            delta(0, "citations_delta", citation=CITED),
            closed(0),
            *end("end_turn"),
        ],
    ),
    Stream(
        "pings",
        [start(), {"type": "ping"}, *text_block(0, "a"), {"type": "ping"}, *end("end_turn")],
    ),
    Stream(
        "usage that grew",
        [
            start(),
            *text_block(0, "a"),
            *end("end_turn", input_tokens=12, cache_read_input_tokens=5),
        ],
    ),
]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda case: case.name)
def test_a_whole_answer_is_what_the_sdk_would_make_of_its_events(stream: Stream) -> None:
    assert without_nulls(as_we_see_it(stream.events)) == as_the_sdk_sees_it(stream.events)


def test_a_whole_answer_in_full() -> None:
    events = [start(), *text_block(0, "Hel", "lo"), *end("stop_sequence", "END")]
    assert as_we_see_it(events) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": {"input_tokens": 11, "output_tokens": 9, "cache_read_input_tokens": 4},
    }


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    events = [start()]
    pieces = st.lists(st.text(max_size=5), max_size=4)
    for index in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(["text", "thinking", "tool"])):
            case "text":
                events += text_block(index, *draw(pieces))
            case "thinking":
                events += thinking_block(index, draw(st.text()), *draw(pieces))
            case _:
                data = json.dumps(draw(st.dictionaries(st.text(), st.integers(0, 9) | st.text())))
                cut = draw(st.integers(0, len(data)))
                events += tool_block(index, data[:cut], data[cut:])
    return events + end(draw(st.sampled_from(["end_turn", "tool_use"])))


@given(streams())
def test_any_whole_answer_is_what_the_sdk_would_make_of_its_events(events: list[Event]) -> None:
    assert without_nulls(as_we_see_it(events)) == as_the_sdk_sees_it(events)


def test_putting_an_answer_together_leaves_its_events_as_they_were() -> None:
    events = [start(), *text_block(0, "a"), *tool_block(1, "{}"), *end("tool_use")]
    before = json.dumps(events)
    as_we_see_it(events)
    assert json.dumps(events) == before


def test_events_and_deltas_of_a_later_api_are_passed_over() -> None:
    known = [start(), *text_block(0, "a"), *end("end_turn")]
    later: list[Event] = [{"type": "weather_report"}, delta(0, "smell_delta", smell="rose")]
    assert as_we_see_it([*known[:3], *later, *known[3:]]) == as_we_see_it(known)


def test_a_tools_input_that_was_cut_off_is_what_the_sdk_would_make_of_it() -> None:
    events = [start(), *tool_block(0, '{"city":"Paris","da'), *end("max_tokens")]
    assert without_nulls(as_we_see_it(events)) == as_the_sdk_sees_it(events)


def test_usage_that_is_null_at_the_end_is_what_it_was_at_the_start() -> None:
    events = [start(), *text_block(0, "a"), *end("end_turn", cache_read_input_tokens=None)]
    assert without_nulls(as_we_see_it(events)) == as_the_sdk_sees_it(events)
