"""Several API calls as one message, event by event."""

from typing import Any

from trioproxy.claude.merging import Merger
from trioproxy.claude.turn import Event
from trioproxy.dialects.whole_message import WholeAnswer


def call(reason: str, *blocks: str, tokens: int = 1) -> list[Event]:
    """An API call whose blocks are texts, or "!" for a call of a tool."""
    usage = {"input_tokens": 10, "output_tokens": 0}
    events: list[Event] = [
        {"type": "message_start", "message": {"id": "msg", "content": [], "usage": usage}}
    ]
    for index, body in enumerate(blocks):
        text: dict[str, Any] = {"type": "text", "text": ""}
        tool = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}
        delta = (
            {"type": "input_json_delta", "partial_json": "{}"}
            if body == "!"
            else {"type": "text_delta", "text": body}
        )
        block = tool if body == "!" else text
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    how = {"stop_reason": reason, "stop_sequence": None}
    return [
        *events,
        {"type": "message_delta", "delta": how, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]


def merged(merger: Merger, *calls: list[Event]) -> list[Event]:
    return [result for events in calls for event in events for result in merger.add(event)]


def message(events: list[Event]) -> dict[str, Any]:
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    return answer.message


def test_one_call_is_as_it_was() -> None:
    events = call("end_turn", "a", "b", tokens=2)
    merger = Merger()
    assert message(merged(merger, events)) == message(events)
    assert merger.is_over
    assert merger.finish() == []


def test_calls_are_one_message_without_the_tools() -> None:
    merger = Merger()
    events = merged(
        merger,
        call("tool_use", "a", "!", tokens=3),
        call("tool_use", "!", "!", tokens=4),
        call("end_turn", "b", tokens=5),
    )
    kinds = [event["type"] for event in events]
    assert kinds.count("message_start") == kinds.count("message_stop") == 1
    assert [event["index"] for event in events if "index" in event] == [0, 0, 0, 1, 1, 1]
    found = message(events)
    assert [block["text"] for block in found["content"]] == ["a", "b"]
    assert found["usage"] == {"input_tokens": 30, "output_tokens": 12}
    assert found["stop_reason"] == "end_turn"


def test_a_turn_that_ends_behind_a_tool_is_paused() -> None:
    merger = Merger()
    events = merged(merger, call("tool_use", "a", "!", tokens=3))
    assert not merger.is_over
    events += merger.finish()
    found = message(events)
    assert found["stop_reason"] == "pause_turn"
    assert found["usage"] == {"input_tokens": 10, "output_tokens": 3}
    assert merger.finish() == []


def test_nothing_begun_is_nothing_to_finish() -> None:
    assert Merger().finish() == []
