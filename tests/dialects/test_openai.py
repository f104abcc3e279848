"""OpenAI's dialect without a server: what is refused and where, and any input at all."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, completion_create_params
from openai.types.responses import Response, response_create_params

from tests.dialects.events import delta, end, opened, start, text_block, thinking_block
from trioproxy.claude.turn import Event
from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.dialects.openai.chat import ChatRenderer, ChatRequest, parse_chat
from trioproxy.dialects.openai.errors import error_body
from trioproxy.dialects.openai.parameters import CHAT, RESPONSES
from trioproxy.dialects.openai.response_request import ResponsesRequest, parse_responses
from trioproxy.dialects.openai.responses import ResponsesRenderer
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import (
    AcquireTimeout,
    ApiError,
    CliFailed,
    InvalidRequest,
    TrioproxyError,
    UnknownModel,
)
from trioproxy.refusals import Refusal

NAMES = {"gpt-4o": "haiku", "gpt-*": "claude-sonnet-4-5", "gpt-4*": "claude-opus-4-5"}
HI = {"role": "user", "content": "hi"}
DEEP = '{"a":' + "[" * 300 + "]" * 300 + "}"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(**fields: Any) -> ChatRequest:
    data = json.dumps({"model": "gpt-4o", "messages": [HI], **fields}).encode()
    return parse_chat(data, mapped=NAMES, rules=RequestDefaults())


def response(**fields: Any) -> ResponsesRequest:
    data = json.dumps({"model": "gpt-4o", "input": "hi", **fields}).encode()
    return parse_responses(data, mapped=NAMES, rules=RequestDefaults())


# -- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "claudes"),
    [
        ("gpt-4o", "haiku"),
        ("gpt-4o-mini", "claude-opus-4-5"),
        ("gpt-5", "claude-sonnet-4-5"),
    ],
)
def test_model_name_is_mapped_and_no_list_can_refuse_it(name: str, claudes: str) -> None:
    request = chat(model=name).messages
    assert (request.turn.model, request.offered) == (claudes, None)


@pytest.mark.parametrize("name", ["claude-of-tomorrow", "haiku", "haiku[1m]", "llama"])
def test_model_name_that_is_not_mapped_stays_for_the_list_to_judge(name: str) -> None:
    for request in (chat(model=name).messages, response(model=name).messages):
        assert (request.turn.model, request.offered) == (name, NAMES)


# -- What is refused ------------------------------------------------------------------------------


@frozen
class Refused:
    """Fields of a request, and what is said of them: the parameter, a colon, the reason."""

    fields: dict[str, Any]
    sent: str


def messages(*given: object) -> dict[str, Any]:
    return {"messages": [*given]}


CHATS = [
    Refused({"n": 2}, "n: not supported by this server: there is one answer"),
    Refused({"logprobs": True}, "logprobs: not supported by this server"),
    Refused({"functions": [{"name": "f"}]}, "functions: not supported by this server: use `tools`"),
    Refused({"audio": {}}, "audio: not supported"),
    Refused({"modalities": ["audio"]}, "modalities: not supported"),
    Refused({"presence_penalty": 0.5}, "presence_penalty: not supported"),
    Refused({"logit_bias": {"1": 1}}, "logit_bias: not supported"),
    Refused({"tempratur": 1}, "tempratur: no such parameter"),
    Refused({"temperature": 3}, "temperature: must be 0 to 2, not 3"),
    Refused({"max_tokens": 0}, "max_tokens: must be at least 1, not 0"),
    Refused({"stop": ["a"] * 5}, "stop: has 5 strings; at most 4 are allowed"),
    Refused({"stop": [1]}, "stop.0: must be a string, not a number"),
    Refused({"stop": 1}, "stop: must be a string or a list, not a number"),
    Refused({"reasoning_effort": "huge"}, 'reasoning_effort: must be "none"'),
    Refused({"response_format": {"type": "xml"}}, 'response_format.type: must be "text"'),
    Refused(
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema: Field required",
    ),
    Refused({"tools": [{"type": "custom"}]}, "tools.0.custom: must be an object, not null"),
    Refused({"tools": [{"type": "function"}]}, "tools.0.function: must be an object, not null"),
    Refused(
        {"tools": [{"type": "function", "function": {"name": "f", "params": {}}}]},
        "tools.0.function.params: no such field here",
    ),
    Refused(
        {"tools": [CALL | {"function": {"name": "f"}}], "tool_choice": "any"},
        'tool_choice: must be "auto", "none" or "required", not "any"',
    ),
    Refused({"messages": None}, "messages: must be a list, not null"),
    Refused({"messages": []}, "messages: must contain at least one message"),
    Refused(messages({"role": "system", "content": "s"}), "messages: must contain at least one"),
    Refused(messages({"role": "wizard"}), 'messages.0.role: must be "system", "developer", "user"'),
    Refused(messages({"role": "function", "content": ""}), "messages.0.role: functions have been replaced"),
    Refused(messages({**HI, "mood": 1}), "messages.0.mood: no such field here"),
    Refused(messages({"role": "user"}), "messages.0.content: must be a string or a list"),
    Refused(messages({"role": "user", "content": " "}), "messages.0: must contain a character"),
    Refused(
        messages({"role": "user", "content": [{"type": "input_audio"}]}),
        "messages.0.content.0.type: audio input is not supported",
    ),
    Refused(
        messages({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}),
        "messages.0.content.0.image_url: must be an object",
    ),
    Refused(
        messages({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}),
        "messages.0.content.0.image_url.url: must be a data: URL with base64",
    ),
    Refused(
        messages({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}),
        "messages.0.content.0.file.file_id: this server stores no files",
    ),
    Refused(
        messages(HI, {"role": "assistant", "tool_calls": [CALL]}, HI),
        'messages.1: the next message must have a tool_result for "c1"',
    ),
    Refused(
        messages({"role": "system", "content": "s"}, {"role": "tool", "tool_call_id": "c1", "content": "x"}),
        'messages.1: no tool_use with the id "c1"',
    ),
    Refused(
        messages(HI, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}),
        "messages.1.tool_calls.0.function.arguments: is not JSON",
    ),
    Refused(
        messages(HI, {"role": "assistant", "function_call": {"name": "f"}}, HI),
        "messages.1.function_call: not supported by this server",
    ),
    Refused(
        messages(HI, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": DEEP}}]}),
        "messages.1.tool_calls.0.function.arguments: is nested more than 200 times",
    ),
    Refused({"tool_choice": "required"}, "tool_choice: there are no `tools` to choose from"),
    Refused({"tools": {}}, "tools: must be a list, not an object"),
    Refused(
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice.function.name: no such function",
    ),
    Refused({"n": True}, "n: not supported"),
    Refused({"stop": " "}, "stop: must contain a character"),
    Refused({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage: must be true"),
    Refused(
        {"response_format": {"type": "json_object", "schema": {}}},
        "response_format.schema: no such field here",
    ),
    Refused({"max_tokens": 2**60}, "max_tokens: must be at most"),
    Refused({"max_completion_tokens": 2**60}, "max_completion_tokens: must be at most"),
    Refused({"safety_identifier": "u" * 600}, "safety_identifier: has 600 characters"),
    Refused({"user": "u" * 600}, "user: has 600 characters; at most 512 are allowed"),
]  # fmt: skip

RESPONSE = [
    Refused({"previous_response_id": "r"}, "previous_response_id: not supported by this server: nothing is stored"),
    Refused({"conversation": "c"}, "conversation: not supported"),
    Refused({"background": True}, "background: not supported"),
    Refused({"input": None}, "input: must be a string or a list, not missing"),
    Refused({"input": 1}, "input: must be a string or a list, not a number"),
    Refused({"input": ""}, "input: must contain a character"),
    Refused({"input": [{"type": "item_reference", "id": "x"}]}, "input.0: nothing is stored"),
    Refused({"input": [{"role": "user", "content": [{"type": "output_text"}]}]}, 'input.0.content.0.type: must be "input_text"'),
    Refused({"input": [{"type": "function_call", "name": "f"}]}, "input.0.arguments: Field required"),
    Refused({"text": {"format": {"type": "xml"}}}, 'text.format.type: must be "text"'),
    Refused({"reasoning": {"effort": "huge"}}, 'reasoning.effort: must be "none"'),
    Refused({"include": 5}, "include: must be a list, not a number"),
    Refused({"text": {"format": {"type": []}}}, 'text.format.type: must be "text"'),
    Refused({"text": {"format": {"schema": {}}}}, "text.format.type: Field required"),
    Refused({"max_output_tokens": 2**60}, "max_output_tokens: must be at most"),
    Refused({"input": []}, "input: must contain at least one message"),
    Refused({"input": [{"role": "user", "content": [{"type": "input_text", "text": "a", "bogus": 1}]}]}, "input.0.content.0.bogus: no such"),
    Refused({"reasoning": {"depth": 1}}, "reasoning.depth: no such field here"),
]  # fmt: skip


@pytest.mark.parametrize("refused", CHATS, ids=lambda case: case.sent[:60])
def test_a_chat_that_is_wrong_is_refused_with_where(refused: Refused) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(**refused.fields)
    assert caught.value.message.startswith(refused.sent)


@pytest.mark.parametrize("refused", RESPONSE, ids=lambda case: case.sent[:60])
def test_a_response_that_is_wrong_is_refused_with_where(refused: Refused) -> None:
    with pytest.raises(InvalidRequest) as caught:
        response(**refused.fields)
    assert caught.value.message.startswith(refused.sent)


# -- The tables ----------------------------------------------------------------------------------


def test_the_tables_have_every_parameter_that_the_official_package_knows() -> None:
    known = {*completion_create_params.CompletionCreateParamsBase.__annotations__}
    assert known <= set(CHAT)
    assert set(CHAT) - known == {"stream"}
    known = {*response_create_params.ResponseCreateParamsBase.__annotations__}
    assert known <= set(RESPONSES)
    more = {"client_metadata", "multi_agent", "background_options"}  # Codex's, of betas
    assert set(RESPONSES) - known == {"stream", *more}


def test_what_has_no_effect_is_noted() -> None:
    assert chat(seed=1, store=False, verbosity="medium").messages.notes == (
        "seed without effect: Claude has none",
    )
    notes = chat(
        messages=[
            HI,
            {"role": "assistant", "content": ""},
            {"role": "system", "content": "s"},
            HI,
        ],
        temperature=1.5,
    ).messages.notes
    assert notes == (
        "messages.1: empty answer left out",
        "messages.2: moved to the top, like all instructions",
        "temperature: above 1 treated as 1, Claude's highest",
    )


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (InvalidRequest(Refusal.WRONG_VALUE, "x", path="messages.0.content.12.text"), ("invalid_request_error", "messages[0].content[12].text", None)),
        (UnknownModel("x"), ("invalid_request_error", "model", "model_not_found")),
        (ApiError(401, "authentication_error", "x"), ("invalid_request_error", None, "invalid_api_key")),
        (ApiError(429, "rate_limit_error", "x"), ("rate_limit_error", None, "rate_limit_exceeded")),
        (ApiError(529, "overloaded_error", "x"), ("server_error", None, "overloaded")),
        (AcquireTimeout("x"), ("server_error", None, "overloaded")),
        (CliFailed("x"), ("server_error", None, "server_error")),
    ],
)  # fmt: skip
def test_errors(error: TrioproxyError, shown: tuple[str, str | None, str | None]) -> None:
    fields = error_body(error, "req_1")["error"]
    assert (fields["type"], fields["param"], fields["code"]) == shown
    assert fields["message"] == error.message


# -- Answers that the stand-in does not give -------------------------------------------------------


def tool(index: int, *pieces: str) -> list[Event]:
    begin = opened(index, type="tool_use", id=f"t{index}", name="f", input={})
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin, *deltas, {"type": "content_block_stop", "index": index}]


ANSWERS: dict[str, list[Event]] = {
    "a call cut short": [start(), *tool(0, '{"city":"Par', 'is","da'), *end("max_tokens")],
    "input as the model writes it": [
        start(),
        *tool(0, '{"a": 1.50, "b": 1E2, "a": 2}'),
        *tool(1, '{"id": 123456789012345678901234567890, "x": 1e400}'),
        *end("tool_use"),
    ],
    "a call cut before its input": [start(), *tool(0, "{}"), *tool(1, ""), *end("max_tokens")],
    "a call without input": [start(), *tool(0, ""), *end("tool_use")],
    "two calls": [start(), *tool(0, "{}"), *tool(1, '{"a":1}'), *end("tool_use")],
    "a refusal": [start(), *text_block(0, "I "), *end("refusal")],
    "nothing": [start(), *end("end_turn")],
    "thoughts": [
        start(),
        *thinking_block(0, "c2ln", "h", "m"),
        *text_block(1, "a"),
        *end("end_turn"),
    ],
    "a tool of the API's own": [
        start(),
        opened(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json="{}"),
        {"type": "content_block_stop", "index": 0},
        *text_block(1, "a"),
        *end("end_turn"),
    ],
    "too long": [start(), *text_block(0, "a"), *end("model_context_window_exceeded")],
}


def whole(events: list[Event]) -> WholeAnswer:
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    return answer


@pytest.mark.parametrize("name", ANSWERS)
def test_a_chat_is_the_same_whole_and_streamed(name: str) -> None:
    events = ANSWERS[name]
    output = json.loads(ChatRenderer(1).whole(whole(events)))
    ChatCompletion.model_validate(output)
    sent: dict[str, Any] = {"content": "", "refusal": None}
    calls: list[dict[str, str]] = []
    reason = None
    for line in ChatRenderer(1).events(events).split(b"\n\n")[:-1]:
        (choice,) = json.loads(line.removeprefix(b"data: "))["choices"]
        for key in ("content", "refusal"):
            if choice["delta"].get(key) is not None:
                sent[key] = (sent[key] or "") + choice["delta"][key]
        for call in choice["delta"].get("tool_calls", []):
            if "id" in call:
                calls.append({"id": call["id"], "arguments": ""})
            calls[call["index"]]["arguments"] += call["function"].get("arguments", "")
        reason = choice["finish_reason"] or reason
    (choice,) = output["choices"]
    assert choice["finish_reason"] == reason
    assert choice["message"]["content"] == (sent["content"] or None)
    assert choice["message"]["refusal"] == sent["refusal"]
    expected = [{"id": c["id"], **c["function"]} for c in choice["message"].get("tool_calls", [])]
    assert [(c["id"], c["arguments"]) for c in calls] == [
        (c["id"], c["arguments"]) for c in expected
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_is_the_same_whole_and_streamed(name: str) -> None:
    events = ANSWERS[name]
    asked = response(tools=[{"type": "function", "name": "f"}])
    output = json.loads(ResponsesRenderer(1, asked.echo, has_thoughts=True).whole(whole(events)))
    Response.model_validate(output)
    stream = ResponsesRenderer(1, asked.echo, has_thoughts=True)
    last = [event for item in events for event in stream.add(item)][-1]
    assert last["type"] == f"response.{output['status']}"
    assert last["response"] == output


def test_what_a_model_writes_that_is_no_json() -> None:
    for text in ('{"a" 1}', '{"t":"\\ud83d"}'):
        with pytest.raises(ApiError, match="called a tool with invalid JSON"):
            whole([start(), *tool(0, text), *end("tool_use")])


CUT = {
    "a call cut short": ("incomplete", '{"city":"Paris","da'),
    "a call cut before its input": ("incomplete", ""),
    "a call without input": ("completed", "{}"),
}


@pytest.mark.parametrize("name", CUT)
def test_an_item_that_was_cut_says_so_in_its_own_event_and_is_not_mended(name: str) -> None:
    stream = ResponsesRenderer(1, {})
    output = [event for element in ANSWERS[name] for event in stream.add(element)]
    item = output[-1]["response"]["output"][-1]
    assert (item["status"], item["arguments"]) == CUT[name]
    done = [element for element in output if element["type"].endswith(".done")]
    assert done[-1]["type"] == "response.output_item.done"
    assert done[-1]["item"] == item
    assert done[-2]["arguments"] == item["arguments"]
    assert [element["sequence_number"] for element in output] == list(range(len(output)))


def test_a_text_that_was_cut_says_so_in_its_own_event() -> None:
    stream = ResponsesRenderer(1, {})
    events = [start(), *tool(0, "{}"), *text_block(1, "a"), *end("max_tokens")]
    output = [event for element in events for event in stream.add(element)]
    done = [
        element["item"] for element in output if element["type"] == "response.output_item.done"
    ]
    assert [item["status"] for item in done] == ["completed", "incomplete"]
    assert output[-1]["response"]["output"] == done


def test_only_the_end_of_the_last_item_waits_for_what_follows() -> None:
    stream = ResponsesRenderer(1, {})
    output = [[item["type"] for item in stream.add(event)] for event in ANSWERS["two calls"]]
    added, delta_, done = "output_item.added", "function_call_arguments.delta", "output_item.done"
    assert [kinds[-1:] for kinds in output[1:6]] == [
        [f"response.{added}"], [f"response.{delta_}"], [],
        [f"response.{added}"], [f"response.{delta_}"],
    ]  # fmt: skip
    assert f"response.{done}" in output[4]
    assert f"response.{done}" in output[7]


def test_the_first_chunk_of_a_chat_has_a_content() -> None:
    first = ChatRenderer(1).events([start()]).removeprefix(b"data: ")
    assert json.loads(first)["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }


def test_a_response_that_breaks_off_has_both_events_and_its_own_id() -> None:
    stream = ResponsesRenderer(1, {}, model="claude-test", name="1")
    begun = stream.ping() + stream.events([start(), *text_block(0, "a")])
    output = begun + stream.failed(ApiError(529, "overloaded_error", "too much"), "req_1")
    events = [json.loads(part.split(b"data: ")[1]) for part in output.split(b"\n\n")[:-1]]
    error, failed = events[-2:]
    flat = {"code": "overloaded", "message": "too much", "param": None}
    nested = {**flat, "type": "server_error"}
    assert error == {
        "type": "error",
        "sequence_number": len(events) - 2,
        **flat,
        "error": nested,
    }
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert {event["response"]["id"] for event in events if "response" in event} == {"resp_1"}
    assert not [event for event in events if event["type"] == "response.output_item.done"]


# -- What clients send back, and what popular ones send ------------------------------------------


def sent(**fields: Any) -> list[dict[str, Any]]:
    asked = chat(**fields)
    return [
        {"role": message.role, "content": [*message.content]}
        for message in asked.messages.turn.messages
    ]


def test_what_comes_back_of_an_answer_is_taken() -> None:
    function = {"name": "f", "arguments": "{}", "parsed_arguments": {}}
    back = {
        "role": "assistant", "content": "a", "parsed": {"x": 1}, "refusal": None, "audio": None,
        "annotations": [], "reasoning": None, "reasoning_content": "hm", "anything": None,
        "tool_calls": [{**CALL, "function": function}],
    }  # fmt: skip
    asked = chat(messages=[HI, back, {"role": "tool", "tool_call_id": "c1", "content": None}])
    assert asked.messages.notes == ("messages.1.reasoning_content without effect",)
    assert [block["type"] for block in asked.messages.turn.messages[1].content] == [
        "text",
        "tool_use",
    ]


def test_a_cache_breakpoint_at_a_message_stands_behind_its_last_block() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    part = {"type": "text", "text": "a"}
    read = chat(
        messages=[
            {"role": "system", "content": "s", **mark},
            {"role": "system", "content": [{**part, **mark}]},
            {"role": "user", "content": [part, part], **mark},
        ]
    ).messages
    assert (read.turn.system, read.turn.system_cache) == ("s\n\na", "5m")
    assert read.turn.messages[0].content == (part, {**part, **mark})
    assert read.notes == ("cache_control: of instructions, only one is kept, at their end",)


def test_a_cache_breakpoint_at_a_call_or_an_answer_reaches_the_nearest_block() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    call = {"role": "assistant", "content": None, "tool_calls": [{**CALL, **mark}]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    answer = {"role": "assistant", "content": "a", **mark}
    read = chat(messages=[HI, call, {**result, **mark}, answer, HI]).messages
    marked = [
        (block["type"], "cache_control" in block)
        for message in read.turn.messages
        for block in message.content
    ]
    assert marked == [
        ("text", True),
        ("tool_use", False),
        ("tool_result", True),
        ("text", True),
        ("text", False),
    ]
    assert read.notes == (
        "cache_control: moved to a neighbouring block, the CLI drops it where it was",
    )


def test_a_cache_breakpoint_that_is_none_is_refused_with_where() -> None:
    for message in ({**HI, "cache_control": {}}, {**HI, "role": "system", "cache_control": {}}):
        with pytest.raises(InvalidRequest, match=r"messages.0.cache_control.type: Field required"):
            chat(messages=[message, HI])


def test_results_stand_before_what_the_user_has_said_meanwhile() -> None:
    calls = [{**CALL, "id": name} for name in ("c1", "c2")]
    first, second = (
        {"role": "tool", "tool_call_id": item, "content": item} for item in ("c1", "c2")
    )
    found = sent(messages=[HI, {"role": "assistant", "tool_calls": calls}, first, HI, second])
    assert [block["type"] for block in found[2]["content"]] == [
        "tool_result",
        "tool_result",
        "text",
    ]


def test_blank_texts_are_left_out_where_they_say_nothing() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    asked = chat(
        messages=[
            {"role": "system", "content": "\n"},
            {"role": "user", "content": [{"type": "text", "text": ""}, picture]},
            {"role": "assistant", "content": "\n\n", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ]
    )
    assert asked.messages.turn.system == ""
    assert [len(message.content) for message in asked.messages.turn.messages] == [1, 1, 1]
    blank = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": ""}],
    }
    turn = response(input=[{"role": "user", "content": "a"}, blank, HI]).messages.turn
    assert len(turn.messages) == 1


def test_files_of_every_kind() -> None:
    data = {
        "data:application/pdf;filename=a.pdf;base64,JVBERg==": "base64",
        "DATA:application/pdf;BASE64,JVBERg==": "base64",
        "JVBERg==": "base64",
        "data:text/plain;charset=utf-8;base64,aGVsbG8=": "text",
    }
    for url, kind in data.items():
        file = {"type": "file", "file": {"file_data": url, "filename": "a"}}
        ((message,),) = [sent(messages=[{"role": "user", "content": [file]}])]
        (block,) = message["content"]
        assert (block["source"]["type"], block["title"]) == (kind, "a")
        assert block["source"]["data"] in {"JVBERg==", "hello"}


def test_what_is_idle_in_a_response_is_noted() -> None:
    asked = response(
        text={"verbosity": "low"},
        reasoning={"summary": "detailed"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
    )
    assert asked.has_thoughts
    assert asked.messages.notes == (
        "text.verbosity without effect: Claude has none",
        "reasoning.summary without effect: Claude has no summaries",
        "include without effect: message.output_text.logprobs is not available",
    )


# -- Anything ------------------------------------------------------------------------------------

leaves = (
    st.none() | st.booleans() | st.integers(-5, 2**64) | st.floats(-2, 2) | st.text(max_size=3)
)
words = st.sampled_from(
    ["user", "assistant", "system", "tool", "text", "function", "image_url", "input_text", "c1"]
)
anything = st.recursive(
    leaves | words,
    lambda element: (
        st.lists(element, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "id", "name"]), element
        )
    ),
    max_leaves=8,
)
parts = st.lists(
    st.fixed_dictionaries(
        {"type": words | anything}, optional={"text": anything, "image_url": anything}
    ),
    max_size=2,
)
chats = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
        optional={
            "content": st.just("hi") | parts | anything,
            "tool_calls": st.just([CALL]) | anything,
            "tool_call_id": st.just("c1") | anything,
        },
    ),
    max_size=4,
)


def is_request_or_refusal(read: Callable[[], ChatRequest | ResponsesRequest]) -> bool:
    try:
        return bool(read().messages.turn.messages)
    except TrioproxyError as error:
        return error.status in {400, 404} and bool(error.message)


@given(
    messages=chats | anything,
    fields=st.dictionaries(st.sampled_from([*CHAT]), anything, max_size=3),
)
def test_any_chat_is_a_request_or_a_named_refusal(messages: Any, fields: dict[str, Any]) -> None:
    assert is_request_or_refusal(lambda: chat(**{"messages": messages, **fields}))


items = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["message", "function_call", "function_call_output", "reasoning"]
            ),
            "role": words,
            "content": st.just("hi") | parts | anything,
            "call_id": st.just("c1") | anything,
            "name": st.just("f") | anything,
            "arguments": st.just("{}") | anything,
            "output": st.just("x") | parts | anything,
            "encrypted_content": anything,
        },
    ),
    max_size=4,
)


@given(
    given_input=items | anything,
    fields=st.dictionaries(st.sampled_from([*RESPONSES]), anything, max_size=3),
)
def test_any_response_is_a_request_or_a_named_refusal(
    given_input: Any, fields: dict[str, Any]
) -> None:
    assert is_request_or_refusal(lambda: response(**{"input": given_input, **fields}))


@given(body=st.binary(max_size=40) | anything.map(lambda item: json.dumps(item).encode()))
def test_any_bytes(body: bytes) -> None:
    for parse in (parse_chat, parse_responses):
        assert is_request_or_refusal(partial(parse, body, mapped=NAMES, rules=RequestDefaults()))


# -- An assistant's message last -------------------------------------------------------------------

GO_ON = "Continue your last message from exactly where it stops. Do not repeat any of it."
ASKED_TO_GO_ON = "the assistant's message comes last: the model is asked to continue"
COUNTING = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1, 2,"}]


def test_an_answer_that_is_last_is_to_be_gone_on_with() -> None:
    for asked in (chat(messages=COUNTING), response(input=COUNTING)):
        *_, answer, last = asked.messages.turn.messages
        assert (answer.role, answer.content[0]["text"]) == ("assistant", "1, 2,")
        assert (last.role, [block["text"] for block in last.content]) == ("user", [GO_ON])
        assert ASKED_TO_GO_ON in asked.messages.notes


def test_calls_that_are_last_are_still_without_a_result() -> None:
    function = {"name": "f", "arguments": "{}"}
    called = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}
    with pytest.raises(InvalidRequest, match="must have a tool_result") as caught:
        chat(messages=[*COUNTING[:1], called])
    assert caught.value.refusal is Refusal.UNPAIRED_CALL


# -- What has no effect, and says so ---------------------------------------------------------------


def test_how_closely_an_image_is_looked_at_is_noted() -> None:
    image = {"url": "https://example.com/a.png", "detail": "low"}
    asked = chat(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]
    )
    note = "detail without effect: Claude sees images as they are"
    assert asked.messages.notes == (f"messages.0.content.0.image_url.{note}",)
    part = {"type": "input_image", "image_url": image["url"], "detail": "high"}
    given = response(input=[{"role": "user", "content": [part]}])
    assert given.messages.notes == (f"input.0.content.0.{note}",)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode without effect: Claude has none"),
        (
            {"reasoning": {"generate_summary": "detailed"}},
            "reasoning.generate_summary without effect: Claude has no summaries",
        ),
        (
            {"tools": [{"type": "function", "name": "f", "output_schema": {"type": "object"}}]},
            "output_schema of tools without effect: Claude has none",
        ),
    ],
)
def test_what_claude_has_not_is_noted(fields: dict[str, Any], note: str) -> None:
    assert response(**fields).messages.notes == (note,)


def test_a_call_by_a_program_is_one_of_the_models() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a", "output": "x"}
    caller = {"type": "program", "caller_id": "p"}
    asked = response(input=[HI, {**call, "caller": caller}, output])
    assert asked.messages.notes == ("input.1.caller without effect: the model has called",)


def test_a_reference_needs_no_type_to_be_one() -> None:
    with pytest.raises(InvalidRequest, match=r"input\.1: nothing is stored: send the item itself"):
        response(input=[HI, {"id": "msg_1"}])


def test_agents_of_the_servers_own_are_refused_by_their_name() -> None:
    assert response(multi_agent={"enabled": False}).messages.notes == ()
    with pytest.raises(InvalidRequest, match="multi_agent: not supported by this server"):
        response(multi_agent={"enabled": True})
