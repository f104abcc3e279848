"""Claude's own shapes in a chat's body, and the body of a response at the chat route."""

import json
from typing import Any

import pytest

from tests.dialects.openai_requests import HI, chat
from tests.messages import png
from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.dialects.openai.chat import ChatRenderer, ChatRequest, parse_chat
from trioproxy.errors import InvalidRequest

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
USE = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Bern"}}
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": png(3)},
}


@pytest.mark.parametrize("extra", [{}, {"type": "custom"}, {"type": "function"}])
def test_a_tool_is_taken_as_it_is(extra: dict[str, Any]) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    assert chat(tools=[{**TOOL, **extra, **mark}]).messages.turn.parameters["tools"] == [
        {**TOOL, **mark}
    ]


def test_a_tool_as_a_response_has_it_is_taken() -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA}
    (made,) = chat(tools=[tool]).messages.turn.parameters["tools"]
    assert made == {"name": "get_weather", "input_schema": SCHEMA}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, None),
        ({"type": "any"}, {"type": "any"}),
        ({"type": "none"}, {"type": "none"}),
        ({"type": "tool", "name": "get_weather"}, {"type": "tool", "name": "get_weather"}),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        ({"type": "function", "name": "get_weather"}, {"type": "tool", "name": "get_weather"}),
    ],
)
def test_a_choice_is_taken(choice: Any, expected: Any) -> None:
    parameters = chat(tools=[TOOL], tool_choice=choice).messages.turn.parameters
    assert parameters.get("tool_choice") == expected


def test_blocks_of_a_conversation_are_taken_in_claudes_order() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [IMAGE]}
    text = {"type": "text", "text": "a"}
    request = chat(
        messages=[
            {"role": "user", "content": [text, IMAGE]},
            {"role": "assistant", "content": [USE, {"type": "text", "text": "I look."}]},
            {"role": "user", "content": [text, result]},
        ]
    )
    assert [(m.role, m.content) for m in request.messages.turn.messages] == [
        ("user", (text, IMAGE)),
        ("assistant", ({"type": "text", "text": "I look."}, USE)),
        ("user", (result, text)),
    ]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"tools": [{**TOOL, "input_schema": 1}]}, "tools.0.input_schema"),
        ({"tools": [{**TOOL, "name": 1}]}, "tools.0.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages.0.content.0.type"),
        ({"messages": [HI, {"role": "assistant", "content": [IMAGE]}]}, "messages.1.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0"),
        (
            {"messages": [HI, {"role": "assistant", "content": [USE, {"type": "image_url"}]}]},
            "messages.1.content.1.type",
        ),
    ],
)
def test_what_is_wrong_in_them_is_named_where_it_is(fields: Any, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(**fields)
    assert caught.value.path.startswith(where)


# -- The body of a response ----------------------------------------------------------------------


def as_chat(**fields: Any) -> ChatRequest:
    data = json.dumps({"model": "haiku", "input": "hi", **fields}).encode()
    return parse_chat(data, mapped={}, rules=RequestDefaults())


def test_the_body_of_a_response_is_one_of_a_chat_too() -> None:
    asked = as_chat(
        instructions="Be brief.", max_output_tokens=9, stream_options={"include_usage": True}
    )
    turn = asked.messages.turn
    assert (turn.system, turn.max_tokens, asked.has_usage) == ("Be brief.", 9, True)
    assert asked.messages.notes == ("input: read as that of a response, answered as a chat",)


def test_a_tool_that_only_a_response_can_have_is_called_as_a_function() -> None:
    asked = as_chat(tools=[{"type": "local_shell"}])
    start = {"type": "tool_use", "id": "t1", "name": "local_shell", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"command":["ls"]}'}
    sent = ChatRenderer(0, tools=asked.tools).events(
        [
            {"type": "message_start", "message": {"id": "m", "model": "haiku"}},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
        ]
    )
    deltas = [
        json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"]
        for line in sent.split(b"\n\n")
        if line
    ]
    (call,) = deltas[1]["tool_calls"]
    assert (call["type"], call["function"]) == (
        "function",
        {"name": "local_shell", "arguments": ""},
    )
    assert deltas[2]["tool_calls"][0]["function"]["arguments"] == '{"command":["ls"]}'


def test_a_fault_in_it_is_named_where_it_is() -> None:
    with pytest.raises(InvalidRequest, match=r"input\.0\.role"):
        as_chat(input=[{"role": "x", "content": "hi"}])
    with pytest.raises(InvalidRequest, match="n: no such parameter"):
        as_chat(n=1)


def test_a_body_with_no_messages_is_one_of_a_response() -> None:
    none: list[Any] = []
    for messages in (None, none):
        assert as_chat(messages=messages).messages.turn.messages[0].content == (
            {"type": "text", "text": "hi"},
        )


def test_claudes_shapes_are_taken_in_it_too() -> None:
    nested = {"type": "function", "function": {"name": "get_time"}}
    asked = as_chat(tools=[TOOL, nested], tool_choice={"type": "any"}).messages.turn.parameters
    assert [tool["name"] for tool in asked["tools"]] == ["get_weather", "get_time"]
    assert asked["tool_choice"] == {"type": "any"}


def test_a_call_comes_back_by_the_name_that_a_chat_has_shown() -> None:
    namespace = {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]}
    calls = [
        {"type": "function_call", "call_id": name, "name": name, "arguments": "{}"}
        for name in ("local_shell", "ns__f")
    ]
    results = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        for call in calls
    ]
    asked = as_chat(
        tools=[{"type": "local_shell"}, namespace], input=[HI, *calls, *results]
    ).messages
    called = asked.turn.messages[1].content
    assert [block["name"] for block in called] == ["local_shell", "ns__f"]


# -- What else Claude's API has ------------------------------------------------------------------


def answer(*content: Any) -> Any:
    request = chat(messages=[HI, {"role": "assistant", "content": [*content]}, HI]).messages
    return [dict(block) for block in request.turn.messages[1].content]


def test_an_answer_keeps_its_order_and_its_citations() -> None:
    thoughts = [{"type": "thinking", "thinking": text, "signature": "c2ln"} for text in "ab"]
    cited = {
        "type": "text",
        "text": "So.",
        "citations": [{"type": "web_search_result_location", "url": "u", "cited_text": "c"}],
    }
    plain = {"type": "text", "text": "Yes."}
    assert answer(thoughts[0], plain, thoughts[1], cited) == [
        thoughts[0],
        plain,
        thoughts[1],
        cited,
    ]


@pytest.mark.parametrize("signature", [{}, {"signature": ""}, {"signature": None}])
def test_a_thought_that_nobody_signed_is_left_out(signature: Any) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", **signature}
    text = {"type": "text", "text": "So."}
    request = chat(messages=[HI, {"role": "assistant", "content": [thought, text]}, HI]).messages
    assert request.turn.messages[1].content == (text,)
    assert request.notes == ("messages.1.content.0 without effect: it has no signature",)
    request = chat(messages=[HI, {"role": "assistant", "content": [thought]}, HI]).messages
    assert request.notes[1:] == ("messages.1: empty answer left out",)


def test_a_users_text_may_have_no_citations() -> None:
    part = {"type": "text", "text": "a", "citations": None}
    request = chat(messages=[{"role": "user", "content": [part]}]).messages
    assert request.turn.messages[0].content == ({"type": "text", "text": "a"},)


def test_each_breakpoint_stays_at_its_block() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "So."}
    assert answer({**text, **mark}, {**text, "citations": []}) == [{**text, **mark}, text]
    calls = [
        {"id": f"t{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for n in range(2)
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in calls]
    message = {"role": "assistant", "content": [{**text, **mark}], "tool_calls": calls}
    request = chat(messages=[HI, message, *results]).messages
    marked = [block for block in request.turn.messages[1].content if "cache_control" in block]
    assert marked == [{**text, **mark}]


def test_openais_breakpoint_at_a_block_is_claudes() -> None:
    image = {**IMAGE, "prompt_cache_breakpoint": {"mode": "explicit"}}
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "a"},
        "prompt_cache_breakpoint": {"mode": "explicit"},
    }
    request = chat(messages=[{"role": "user", "content": [image, document]}]).messages
    assert "prompt_cache_breakpoint" not in str(request.turn.messages)
    assert request.turn.messages[0].content[1]["cache_control"] == {"type": "ephemeral"}


def test_a_tools_own_fields_and_claudes_own_search_are_taken() -> None:
    more = {"input_examples": [{"city": "Bern"}], "eager_input_streaming": True}
    search = {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": 3,
        "allowed_domains": ["example.com"],
    }
    tools = chat(tools=[{**TOOL, **more}, search], can_search=True).messages.turn.parameters
    assert tools["tools"] == [{**TOOL, **more}, search]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tool_choice": {"type": "any", "x": 1}}, "tool_choice.x: no such field here"),
        (
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": "yes"}},
            "tool_choice.disable_parallel_tool_use: must be",
        ),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name: Field required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages.0.content.0.source: Field required",
        ),
        (
            {"messages": [HI, {"role": "assistant", "content": [{**USE, "input": None}]}]},
            "messages.1.content.0.input: must be an object",
        ),
    ],
)
def test_a_fault_in_them_is_said_in_the_callers_own_words(fields: Any, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(**{"tools": [TOOL], **fields})
    assert caught.value.message.startswith(reason)


def test_a_custom_tool_is_chosen_by_its_name() -> None:
    tools = [{"type": "custom", "custom": {"name": "c"}}]
    asked = chat(tools=tools, tool_choice={"type": "tool", "name": "c"}).messages.turn.parameters
    assert asked["tool_choice"] == {"type": "tool", "name": "c"}
