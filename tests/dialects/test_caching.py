"""Cache breakpoints in OpenAI's dialect: a caller's own, and those that a request gets."""

import json
from typing import Any

import pytest

from tests.dialects.openai_requests import HI
from tests.messages import png
from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults
from trioproxy.dialects.openai.chat import parse_chat
from trioproxy.dialects.openai.response_request import parse_compact, parse_responses
from trioproxy.errors import InvalidRequest

MARK = {"type": "ephemeral"}
OWN = {"cache_control": MARK}
TEXT = {"type": "text", "text": "a"}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{png(8)}"},
}
DEFAULTS = RequestDefaults()
TALK = [HI, {"role": "assistant", "content": "hello"}, HI]
STEPS = [
    HI,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "x"},
]


def read(parse: Any, rules: RequestDefaults = DEFAULTS, **fields: Any) -> MessagesRequest:
    data = json.dumps({"model": "haiku", **fields}).encode()
    found: MessagesRequest = parse(data, mapped={}, rules=rules, is_cached=True).messages
    return found


def chat(*messages: Any, **fields: Any) -> MessagesRequest:
    return read(parse_chat, messages=[*messages], **fields)


def marks(request: MessagesRequest) -> list[str]:
    """Where the breakpoints are: of the system, of tools by name, of messages by place."""
    found = [f"tool {tool['name']}" for tool in request.turn.parameters.get("tools", ())
             if "cache_control" in tool]  # fmt: skip
    found += [f"system {request.turn.system_cache}"] if request.turn.system_cache else []
    for at, message in enumerate(request.turn.messages):
        for i, block in enumerate(message.content):
            if "cache_control" in block:
                found.append(f"{at}.{i}")
            inner = block.get("content")
            children = inner if isinstance(inner, list) else []
            found += [
                f"{at}.{i}.{n}" for n, child in enumerate(children) if child.get("cache_control")
            ]
    return found


# -- Those that a request gets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"prompt_cache_key": "k"}, ["0.0"]),
        ({"prompt_cache_key": ""}, []),
        ({"tools": TOOLS}, ["tool g", "0.0"]),
        ({"tools": TOOLS, "tool_choice": "none"}, ["tool g", "0.0"]),
        ({"messages": TALK}, ["2.0"]),
        ({"messages": [{"role": "system", "content": "s"}, HI]}, ["system 5m"]),
        ({"messages": [{"role": "system", "content": "s"}, *TALK]}, ["system 5m", "2.0"]),
        (
            {"messages": [{"role": "system", "content": "s"}, *STEPS], "tools": TOOLS},
            ["tool g", "system 5m", "2.0"],
        ),
        ({"messages": STEPS}, ["2.0"]),
    ],
)
def test_breakpoints_stand_where_more_will_come(fields: Any, expected: list[str]) -> None:
    request = chat(*fields.pop("messages", [HI]), **fields)
    assert marks(request) == expected
    assert request.notes == ()


def test_a_response_gets_them_as_a_chat_does() -> None:
    tools = [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]
    request = read(parse_responses, input="hi", instructions="s", tools=tools)
    assert marks(request) == ["tool g", "system 5m", "0.0"]
    assert marks(read(parse_responses, input="hi")) == []
    assert marks(read(parse_compact, input=[HI, {"role": "assistant", "content": "a"}])) == ["2.0"]


def test_the_operators_system_prompt_has_one_too() -> None:
    request = read(parse_chat, RequestDefaults(system="s"), messages=[HI])
    assert (request.turn.system, marks(request)) == ("s", ["system 5m"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [([TEXT, IMAGE], ["0.0"]), ([IMAGE, TEXT], ["0.1"]), ([IMAGE], [])],
)
def test_an_image_of_the_last_message_has_none(content: Any, expected: list[str]) -> None:
    request = chat({"role": "user", "content": content}, prompt_cache_key="k")
    assert marks(request) == expected


def test_they_are_off_where_they_are_not_wanted() -> None:
    data = json.dumps({"model": "haiku", "messages": TALK, "prompt_cache_key": "k"}).encode()
    off = parse_chat(data, mapped={}, rules=DEFAULTS, is_cached=False)
    assert marks(off.messages) == []
    explicit = chat(*TALK, tools=TOOLS, prompt_cache_options={"mode": "explicit"})
    assert marks(explicit) == []
    assert marks(chat(*TALK, prompt_cache_options={"mode": "implicit", "ttl": "30m"})) == ["2.0"]


# -- A caller's own ------------------------------------------------------------------------------


def test_a_callers_own_are_all_there_are() -> None:
    conversation = [{"role": "user", "content": [{**TEXT, **OWN}, TEXT]}, *TALK[1:]]
    assert marks(chat(*conversation, tools=TOOLS)) == ["0.0"]
    tools = [{**TOOLS[0], **OWN}, TOOLS[1]]  # beside the function, as other servers have it
    assert marks(chat(*TALK, tools=tools)) == ["tool f"]
    inside = [{"type": "function", "function": {"name": "f", **OWN}}, TOOLS[1]]
    assert marks(chat(*TALK, tools=inside)) == ["tool f"]


def test_a_part_of_any_kind_keeps_its_own() -> None:
    url = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}
    request = chat({"role": "user", "content": [{**url, **OWN}, TEXT]})
    assert marks(request) == ["0.0"]
    parts = [{"type": "input_text", "text": "a", **OWN}, {"type": "input_text", "text": "b"}]
    message = {"role": "user", "content": parts}
    output = {"type": "function_call_output", "call_id": "c", "output": parts}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    request = read(parse_responses, input=[message, call, output])
    assert marks(request) == ["0.0", "2.0.0"]


def test_instructions_of_a_response_keep_theirs() -> None:
    part = {"type": "input_text", "text": "s", **OWN}
    request = read(parse_responses, input=[{"role": "developer", "content": [part]}, HI])
    assert (request.turn.system, marks(request)) == ("s", ["system 5m"])


@pytest.mark.parametrize(
    ("given", "mark", "notes"),
    [
        ({"mode": "explicit"}, MARK, 0),
        ({"mode": "explicit", "ttl": "30m"}, MARK, 1),
        ({"mode": "explicit", "ttl": "12h"}, {**MARK, "ttl": "1h"}, 1),
    ],
)
def test_openais_own_breakpoint_is_claudes(given: Any, mark: Any, notes: int) -> None:
    request = chat({"role": "user", "content": [{**TEXT, "prompt_cache_breakpoint": given}, TEXT]})
    assert request.turn.messages[0].content == ({**TEXT, "cache_control": mark}, TEXT)
    lifetime = "prompt_cache_breakpoint.ttl: Claude's cache keeps for five minutes, or for an hour"
    assert request.notes == (lifetime,) * notes


def test_of_more_than_four_the_last_are_kept() -> None:
    request = chat({"role": "user", "content": [{**TEXT, **OWN}] * 6})
    assert marks(request) == ["0.2", "0.3", "0.4", "0.5"]
    assert (
        request.notes == ("cache_control: only the last 4 kept, Claude's API takes no more",) * 2
    )


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("cache_control", {}, "cache_control.type: Field required"),
        ("prompt_cache_breakpoint", {"mode": "x"}, "prompt_cache_breakpoint.mode"),
        ("prompt_cache_breakpoint", 1, "prompt_cache_breakpoint: must be an object"),
    ],
)
def test_one_that_is_none_is_refused_with_where(field: str, value: Any, where: str) -> None:
    with pytest.raises(InvalidRequest, match=f"messages.0.content.0.{where}"):
        chat({"role": "user", "content": [{**TEXT, field: value}]})
    part = {"type": "input_text", "text": "a", field: value}
    with pytest.raises(InvalidRequest, match=f"input.0.content.0.{where}"):
        read(parse_responses, input=[{"role": "user", "content": [part]}])


# -- Options -------------------------------------------------------------------------------------


def test_a_longer_lifetime_is_an_hour() -> None:
    request = chat(*TALK, prompt_cache_options={"ttl": "12h"})
    assert request.turn.messages[-1].content[0]["cache_control"] == {**MARK, "ttl": "1h"}
    request = chat({"role": "system", "content": "s"}, HI, prompt_cache_options={"ttl": "12h"})
    assert request.turn.system_cache == "1h"


def test_a_comparison_is_noted_and_a_prompt_alone_is_refused() -> None:
    request = chat(HI, prompt_cache_options={"comparison_response_id": "resp_1"})
    assert request.notes == (
        "prompt_cache_options.comparison_response_id without effect: nothing is stored",
    )
    with pytest.raises(InvalidRequest, match=r"prompt_cache_options\.prewarm: not supported"):
        chat(HI, prompt_cache_options={"prewarm": True})


def test_no_messages_at_all_are_refused_as_ever() -> None:
    with pytest.raises(InvalidRequest, match="messages: must contain at least one message"):
        chat(prompt_cache_key="k")


def test_the_first_of_the_prompt_are_the_surplus() -> None:
    tools = [{**tool, **OWN} for tool in TOOLS]
    messages = [
        {"role": "system", "content": "s", **OWN},
        {**HI, "content": [{**TEXT, **OWN}] * 2},
    ]
    request = chat(*messages, tools=tools)
    kept = [tool["name"] for tool in request.turn.parameters["tools"] if "cache_control" in tool]
    assert "f" not in kept
    assert request.turn.system_cache == "5m"


def test_an_item_of_a_response_keeps_its_own() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    assert marks(read(parse_responses, input=[{**HI, **OWN}, call, output])) == ["0.0"]
    assert marks(read(parse_responses, input=[HI, call, {**output, **OWN}])) == ["2.0"]
    with pytest.raises(InvalidRequest, match=r"input\.2\.cache_control"):
        read(parse_responses, input=[HI, call, {**output, "cache_control": "bad"}])


def test_a_longer_lifetime_is_that_of_the_callers_own_too() -> None:
    parts = [{**TEXT, "prompt_cache_breakpoint": {"mode": "explicit"}}, TEXT]
    options = {"mode": "explicit", "ttl": "12h"}
    request = chat({"role": "user", "content": parts}, prompt_cache_options=options)
    assert request.turn.messages[0].content[0]["cache_control"] == {**MARK, "ttl": "1h"}


def test_a_breakpoint_between_texts_that_become_one_is_behind_them() -> None:
    joined = "cache_control: of texts that become one, behind their end"
    request = chat(
        {"role": "system", "content": "a", **OWN}, {"role": "system", "content": "b"}, HI
    )
    assert (request.turn.system_cache, request.notes[0]) == ("5m", joined)
