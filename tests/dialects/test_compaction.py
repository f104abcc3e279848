"""A conversation that is compacted: what the model is asked, and what it goes on with."""

import json
from typing import Any

import pytest
from openai.types.responses import CompactedResponse, Response

from tests.dialects.events import end, start, text_block, thinking_block
from tests.dialects.openai_requests import HI, compact, response
from trioproxy.dialects.openai.items import SUMMARIZE
from trioproxy.dialects.openai.parameters import COMPACT, RESPONSES
from trioproxy.dialects.openai.responses import CompactRenderer, ResponsesRenderer
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import InvalidRequest

TRIGGER = {"type": "compaction_trigger"}
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
SCHEMA = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}
EVENTS = [
    start(),
    *thinking_block(0, "c2ln", "hm"),
    *text_block(1, "All ", "is "),
    *text_block(2, "well."),
    *end("end_turn"),
]


def answer() -> WholeAnswer:
    found = WholeAnswer()
    for event in EVENTS:
        found.add(event)
    return found


def test_a_trigger_asks_for_a_summary_and_for_nothing_else() -> None:
    asked = response(
        input=[HI, {"role": "assistant", "content": "yes"}, TRIGGER],
        tools=[LOOK],
        tool_choice="required",
        text={"format": SCHEMA},
    )
    turn = asked.messages.turn
    assert asked.wants_summary
    assert [block["text"] for block in turn.messages[-1].content] == [SUMMARIZE]
    assert turn.parameters["tool_choice"] == {"type": "none"}
    assert "output_config" not in turn.parameters
    assert [tool["name"] for tool in turn.parameters["tools"]] == ["look"]  # for the cache


def test_the_answer_is_one_item_and_the_next_request_takes_it() -> None:
    stream = ResponsesRenderer(1, response().echo, wants_summary=True)
    events = [element for event in EVENTS for element in stream.add(event)]
    assert [event["type"].removeprefix("response.") for event in events[2:]] == [
        "output_item.added",
        "compaction.compacting",
        "output_item.done",
        "completed",
    ]
    (item,) = events[-1]["response"]["output"]
    assert (item["type"], item["id"]) == ("compaction", "cmp_msg_1_1")
    assert "well" not in item["encrypted_content"]
    Response.model_validate(events[-1]["response"])
    back = response(input=[HI, item, {"role": "user", "content": "go on"}])
    texts = [block["text"] for block in back.messages.turn.messages[0].content]
    assert texts == [
        "hi",
        "This is a summary of the conversation so far:\n\nAll is well.",
        "go on",
    ]


@pytest.mark.parametrize(
    "given", ["hi", [HI, {"role": "assistant", "content": "yes"}]], ids=["text", "items"]
)
def test_the_endpoint_returns_the_users_messages_and_the_summary(given: Any) -> None:
    asked = compact(input=given, instructions="Be brief.", prompt_cache_key="k")
    turn = asked.messages.turn
    assert turn.system == "Be brief."
    assert turn.messages[-1].content[-1]["text"] == SUMMARIZE
    reply = CompactRenderer(1, {}, tools=asked.tools, wants_summary=True, kept=asked.kept)
    result = json.loads(reply.whole(answer()))
    kept, summary = result["output"]
    # The package's types know no user's message in an output, though its documentation has it.
    CompactedResponse.model_validate({**result, "output": [summary]})
    assert (result["object"], result["usage"]["output_tokens"]) == ("response.compaction", 9)
    assert kept["content"] == [{"type": "input_text", "text": "hi"}]
    assert (kept["role"], summary["type"]) == ("user", "compaction")
    back = response(input=result["output"])
    assert back.messages.turn.messages[0].content[0]["text"] == "hi"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stream": True}, "stream: no such parameter"),
        ({"input": None}, "input: must be a string or a list, not missing"),
        ({"input": [{"type": "x"}]}, "input.0.type: not supported by this server: x"),
        ({"previous_response_id": "r"}, "previous_response_id: not supported by this server"),
    ],
)
def test_what_the_endpoint_refuses(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        compact(**fields)
    assert caught.value.message.startswith(reason)


def test_its_parameters_are_those_of_a_response_but_for_the_stream() -> None:
    assert set(RESPONSES) - set(COMPACT) == {"stream", "stream_options"}


def test_a_message_whose_type_is_null_is_kept() -> None:
    message = {"type": None, "role": "user", "content": "KEEP"}
    (kept,) = compact(input=[message, {"role": "assistant", "content": "a"}]).kept
    assert kept["content"] == [{"type": "input_text", "text": "KEEP"}]
    assert kept["type"] == "message"
