"""A request's body becomes an answer; its events and its message say the same."""

from typing import Any

import attrs
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from tests.standin.accumulating import accumulated
from tests.standin.requests import asking, streaming
from trioproxy.standin import ApiError, Pace, Plan, events, plan, whole
from trioproxy.standin.answers import MAX_QUOTE

SHAPES = [
    "hello",
    "[[standin words=0]]",
    "[[standin words=7]]",
    '[[standin text="  spaces\\n\\n around "]]',
    '[[standin thinking="well then" text=yes]]',
    '[[standin thinking=""]]',
    '[[standin tool=get_weather input={"city":"Zürich 🌍","days":[1,2,{"a":null}]}]]',
    "[[standin text=look tool=a tool=b tool=c]]",
    '[[standin thinking=hm text="1 2" tool=a input={"b":{}}]]',
    '[[standin text="I would" refusal="It is not right." category=cyber]]',
    "[[standin refusal]]",
]


def answer_to(text: str, **more: Any) -> Plan:
    return plan(asking(text, **more), number=1)


def text_of(answer: Plan) -> str:
    return "".join(block.get("text", "") for block in whole(answer)["content"])


@pytest.mark.parametrize("text", SHAPES)
def test_the_events_add_up_to_the_message(text: str) -> None:
    answer = answer_to(text)
    assert accumulated(answer) == Message.model_validate(whole(answer))


@given(st.sampled_from(SHAPES), st.integers(1, 12))
def test_the_events_add_up_to_the_message_wherever_it_is_cut(text: str, max_tokens: int) -> None:
    answer = answer_to(text, max_tokens=max_tokens)
    assert answer.output_tokens <= max_tokens
    made, result = accumulated(answer), Message.model_validate(whole(answer))
    if made.content and made.content[-1].type == "tool_use" and result.stop_reason == "max_tokens":
        del made.content[-1], result.content[-1]  # the official client guesses at half an input
    assert made == result


def test_the_order_of_the_events() -> None:
    kinds = [event["type"] for event in events(answer_to("[[standin words=2]]"))]
    assert kinds == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_only_the_first_block_is_followed_by_a_ping() -> None:
    kinds = [event["type"] for event in events(answer_to("[[standin text=a tool=b tool=c]]"))]
    assert kinds.count("content_block_start") == 3
    assert kinds.count("ping") == 1


def test_the_usual_text_tells_what_was_sent() -> None:
    assert text_of(answer_to("How are  you?")) == (
        "I am the offline stand-in. You sent 1 message to claude-x; "
        "the last one says: How are  you?"
    )


def test_the_last_user_message_counts_without_reminders_and_system_entries() -> None:
    body = asking("first") | {
        "messages": [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": [{"type": "text", "text": "second"}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>[[standin hang]]"},
                    {"type": "image", "source": {}},
                    {"type": "text", "text": "third"},
                    {"type": "text", "text": "and more"},
                ],
            },
            {"role": "system", "content": "[[standin hang]]"},
        ]
    }
    answer = plan(body, number=1)
    assert text_of(answer).endswith(
        "You sent 3 messages to claude-x; the last one says: third\nand more"
    )
    assert not answer.hang


def test_a_long_message_is_quoted_in_part() -> None:
    text = text_of(answer_to("x" * (MAX_QUOTE + 1)))
    assert text.endswith("says: " + "x" * MAX_QUOTE + "…")
    assert text_of(answer_to("x" * MAX_QUOTE)).endswith("says: " + "x" * MAX_QUOTE)


def test_the_same_request_has_the_same_answer_but_for_the_ids() -> None:
    body = asking("[[standin text=a tool=b]]")
    first, other = plan(body, number=1), plan(body, number=2)
    assert first.blocks[0] == other.blocks[0]
    assert whole(first)["id"] == "msg_standin_000001"
    assert whole(other)["id"] == "msg_standin_000002"
    assert first.blocks[1].start["id"] == "toolu_standin_000001_0"
    assert attrs.evolve(first, blocks=(), number=2) == attrs.evolve(other, blocks=())


def test_usage_counts_words() -> None:
    answer = answer_to(
        "[[standin words=5]] and three more", system=[{"type": "text", "text": "a b"}]
    )
    assert whole(answer)["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 5,
    }


def test_max_tokens_cuts() -> None:
    answer = answer_to("[[standin words=5]]", max_tokens=3)
    assert (text_of(answer), answer.stop_reason) == ("w0 w1 w2 ", "max_tokens")
    enough = answer_to("[[standin words=5]]", max_tokens=5)
    assert (text_of(enough), enough.stop_reason) == ("w0 w1 w2 w3 w4", "end_turn")


def test_max_tokens_may_leave_no_room_for_a_tool() -> None:
    answer = answer_to('[[standin text="a b" tool=c]]', max_tokens=2)
    assert [block["type"] for block in whole(answer)["content"]] == ["text"]
    assert answer.stop_reason == "max_tokens"


def test_half_an_input_is_no_input() -> None:
    answer = answer_to('[[standin tool=a input={"key":"a long value"}]]', max_tokens=2)
    assert whole(answer)["content"][0]["input"] == {}


def test_the_first_stop_sequence_stops() -> None:
    answer = answer_to("[[standin words=9 tool=a]]", stop_sequences=["w5", "w3", "absent"])
    assert (text_of(answer), answer.stop_reason) == ("w0 w1 w2 ", "stop_sequence")
    assert (answer.stop_sequence, len(answer.blocks)) == ("w3", 1)


def test_what_is_cut_before_a_stop_sequence_never_met_it() -> None:
    answer = answer_to("[[standin words=9]]", stop_sequences=["w5"], max_tokens=2)
    assert (answer.stop_reason, answer.stop_sequence) == ("max_tokens", None)


def test_a_tool_call_needs_no_text() -> None:
    answer = answer_to('[[standin tool=get_weather input={"city":"Paris"} tool=get_time]]')
    assert whole(answer)["content"] == [
        {
            "type": "tool_use",
            "id": "toolu_standin_000001_0",
            "name": "get_weather",
            "input": {"city": "Paris"},
        },
        {"type": "tool_use", "id": "toolu_standin_000001_1", "name": "get_time", "input": {}},
    ]
    assert answer.stop_reason == "tool_use"
    assert len(answer.blocks[0].deltas) > 2, "the input comes in pieces"


def test_a_refusal_comes_after_what_was_asked_for_or_after_nothing() -> None:
    answer = answer_to('[[standin text="I would" refusal="Not right." category=cyber]]')
    assert text_of(answer) == "I would"
    details = {"type": "refusal", "category": "cyber", "explanation": "Not right."}
    stop = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    assert events(answer)[-2]["delta"] == stop
    assert "stop_details" not in events(answer)[0]["message"]
    bare = answer_to("[[standin refusal]]")
    assert whole(bare)["content"] == []
    assert events(bare)[-2]["delta"] == {"stop_reason": "refusal", "stop_sequence": None}


def test_what_is_cut_before_a_refusal_never_met_it() -> None:
    answer = answer_to('[[standin words=5 refusal="Not right."]]', max_tokens=3)
    assert (answer.stop_reason, answer.stop_details) == ("max_tokens", None)


def test_fail_after_ends_with_an_error_event() -> None:
    *before, last = events(answer_to("[[standin words=9 fail_after=3]]"))
    assert [event["type"] for event in before][-3:] == ["content_block_delta"] * 3
    assert last == ApiError(529).body(1)
    assert last["error"]["type"] == "overloaded_error"


def test_drop_after_just_ends() -> None:
    kinds = [event["type"] for event in events(answer_to("[[standin words=9 drop_after=0]]"))]
    assert kinds == ["message_start", "content_block_start", "ping"]


def test_a_failure_after_the_last_delta_still_comes() -> None:
    kinds = [event["type"] for event in events(answer_to("[[standin words=1 fail_after=9]]"))]
    assert kinds[-2:] == ["content_block_stop", "error"]
    assert "message_delta" not in kinds


def test_only_a_stream_can_fail_in_its_midst() -> None:
    assert plan(streaming("[[standin fail_after=1]]"), number=1).refusal is None
    refusal = plan(asking("[[standin fail_after=1]]"), number=1).refusal
    assert refusal is not None
    assert refusal.status == 529


def test_an_error_says_what_it_was_told_to() -> None:
    refusal = plan(streaming('[[standin error=429 message="slow down"]]'), number=7).refusal
    assert refusal is not None
    assert refusal.body(7) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow down"},
        "request_id": "req_standin_000007",
    }


def test_a_directive_overrides_the_pace() -> None:
    body = asking("[[standin rate=50]]")
    assert plan(body, number=1, pace=Pace(first=2, rate=9)).pace == Pace(first=2, rate=50)
