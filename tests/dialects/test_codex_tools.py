"""Tools of every kind: what the model is given for them, and how a call of one comes back."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from tests.dialects.events import closed, delta, end, opened, start, text_block
from tests.dialects.openai_requests import HI, chat, response
from trioproxy.claude.turn import Event
from trioproxy.dialects.openai.calls import TextOfCall, action_of
from trioproxy.dialects.openai.chat import ChatRenderer
from trioproxy.dialects.openai.response_request import ResponsesRequest
from trioproxy.dialects.openai.responses import ResponsesRenderer
from trioproxy.dialects.openai.tools import Tool, Toolbox
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import InvalidRequest

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
SPAWN = {"type": "function", "name": "spawn", "strict": False, "parameters": {"type": "object"}}
AGENTS = {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [SPAWN]}
LARK = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": LARK}
SHELL = {"type": "local_shell"}
FIND = {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": {}}


def tools_of(asked: ResponsesRequest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked.messages.turn.parameters.get("tools", [])
    return found


# -- What the model is given ----------------------------------------------------------------------


def test_each_kind_becomes_a_function() -> None:
    asked = response(tools=[FUNCTION, AGENTS, PATCH, SHELL, FIND])
    function, spawn, patch, shell, find = tools_of(asked)
    assert function == {"name": "f", "input_schema": {"type": "object"}}
    assert (spawn["name"], spawn["description"]) == ("agents__spawn", "agents: Agents.")
    assert patch["name"] == "apply_patch"
    assert patch["input_schema"]["required"] == ["input"]
    assert patch["description"] == (
        "Edits.\n\nThe `input` keeps to this grammar (lark):\n\nstart: /.+/"
    )
    assert (shell["name"], shell["input_schema"]["required"]) == ("local_shell", ["command"])
    assert (find["name"], find["description"]) == ("tool_search", "Finds.")
    assert asked.messages.notes == (
        "grammars of tools are part of their descriptions: they are not enforced",
    )


def test_a_custom_tool_of_any_text_has_no_grammar() -> None:
    for form in ({}, {"format": None}, {"format": {"type": "text"}}):
        asked = response(tools=[{"type": "custom", "name": "note", **form}])
        assert "description" not in tools_of(asked)[0]
        assert asked.messages.notes == ()


def test_what_a_tool_may_have_beside_is_taken_and_noted_once() -> None:
    extra = {"defer_loading": True, "output_schema": {}, "allowed_callers": ["programmatic"]}
    tools = [{**FUNCTION, "name": name, **extra, "async": True} for name in "ab"]
    assert response(tools=tools).messages.notes == (
        "defer_loading of tools without effect: Claude has all of them at once",
        "async of tools without effect: Claude has all of them at once",
        "allowed_callers of tools without effect: the model calls them",
    )


@pytest.mark.parametrize(
    "type_",
    ["file_search", "computer", "code_interpreter", "image_generation", "mcp", "of_tomorrow"],
)
def test_what_nothing_runs_here_is_left_out(type_: str) -> None:
    asked = response(tools=[{"type": type_, "anything": 1}, FUNCTION])
    assert [tool["name"] for tool in tools_of(asked)] == ["f"]
    name = "a tool of an unknown type" if type_ == "of_tomorrow" else type_
    assert asked.messages.notes == (f"tools.0: {name} left out: this server does not run it",)


def test_a_search_for_tools_that_runs_at_openais_is_not_needed() -> None:
    asked = response(tools=[{"type": "tool_search"}, FUNCTION])
    assert asked.messages.notes == ("tools.0: left out: all tools are available from the start",)


@frozen
class Named:
    """A tool's namespace and name, and what the model calls it."""

    namespace: str
    name: str
    body: str


@pytest.mark.parametrize(
    "named",
    [
        Named("", "f", "f"),
        Named("mcp__a__", "f", "mcp__a__f"),
        Named("a.b", "f-1", "a_b__f-1"),
        Named("", "functions.look_up", "functions_look_up"),
    ],
    ids=lambda case: case.body,
)
def test_names_are_those_that_a_model_can_say(named: Named) -> None:
    tools = Toolbox()
    tool = Tool("function", named.name, named.namespace)
    assert tools.name_of(tool) == named.body
    assert tools.called(named.body) == tool


@given(
    names=st.lists(st.tuples(st.sampled_from("abc_."), st.text(min_size=1)), max_size=6)
    | st.lists(st.tuples(st.just("n"), st.text("x", min_size=120, max_size=140)), max_size=4)
)
def test_names_are_short_and_no_two_are_the_same(names: list[tuple[str, str]]) -> None:
    tools = Toolbox()
    known = {tools.name_of(tool): tool for tool in (Tool("function", n, s) for s, n in names)}
    for name, tool in known.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name)
        assert tools.called(name) == tool
    assert len(known) == len(set(names))


def test_two_of_one_name_in_different_namespaces_are_two() -> None:
    other = {**AGENTS, "name": "agents_"}
    asked = response(tools=[AGENTS, other, {**SPAWN, "name": "agents__spawn"}])
    names = [tool["name"] for tool in tools_of(asked)]
    assert names == ["agents__spawn", "agents__spawn_2", "agents__spawn_3"]


# -- What it must call ---------------------------------------------------------------------------


@frozen
class Choice:
    """What a caller chooses, and what becomes of it: a choice, and the names that are offered."""

    name: str
    asked: object
    choice: dict[str, Any] | None
    offered: list[str]


ALL = ["f", "agents__spawn", "apply_patch", "local_shell", "tool_search"]


def only(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": [*tools]}


CHOICES = [
    Choice("function", {"type": "function", "name": "f"}, {"type": "tool", "name": "f"}, ALL),
    Choice(
        "in a namespace",
        {"type": "function", "name": "spawn", "namespace": "agents"},
        {"type": "tool", "name": "agents__spawn"},
        ALL,
    ),
    Choice(
        "custom",
        {"type": "custom", "name": "apply_patch"},
        {"type": "tool", "name": "apply_patch"},
        ALL,
    ),
    Choice("shell", {"type": "local_shell"}, {"type": "tool", "name": "local_shell"}, ALL),
    Choice(
        "some of them",
        only("auto", {"type": "function", "name": "f"}, {"type": "mcp"}),
        None,
        ["f"],
    ),
    Choice(
        "one of some",
        only("required", {"type": "custom", "name": "apply_patch"}, SHELL),
        {"type": "any"},
        ["apply_patch", "local_shell"],
    ),
]


@pytest.mark.parametrize("case", CHOICES, ids=lambda case: case.name)
def test_each_kind_can_be_chosen(case: Choice) -> None:
    asked = response(tools=[FUNCTION, AGENTS, PATCH, SHELL, FIND], tool_choice=case.asked)
    assert asked.messages.turn.parameters.get("tool_choice") == case.choice
    assert [tool["name"] for tool in tools_of(asked)] == case.offered


REFUSED = [
    ({"type": "function", "name": "g"}, "tool_choice.name: no such function"),
    ({"type": "function", "name": "apply_patch"}, "tool_choice.name: no such function"),
    (
        {"type": "file_search"},
        'tool_choice.type: cannot be required, because this server does not run it: "file',
    ),
    ({"type": "web_search_preview"}, "tool_choice.type: cannot be required, because this server"),
    (only("required", {"type": "mcp"}), "tool_choice: there are no `tools` to choose from"),
    (only("never"), 'tool_choice.mode: must be "auto" or "required", not "never"'),
    ({}, "tool_choice.type: must be a string, not null"),
]


@pytest.mark.parametrize(("choice", "reason"), REFUSED, ids=lambda case: str(case)[:50])
def test_what_cannot_be_called_cannot_be_chosen(choice: object, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        response(tools=[FUNCTION, PATCH], tool_choice=choice)
    assert caught.value.message.startswith(reason)


WRONG = [
    ([{"name": "f"}], "tools.0.type: must be a string, not null"),
    ([FUNCTION, FUNCTION], 'tools.1.name: duplicate tool name "f"'),
    ([{**AGENTS, "tools": [SPAWN, SPAWN]}], "tools.0.tools.1.name: duplicate tool name"),
    ([{**AGENTS, "tools": [SHELL]}], 'tools.0.tools.0.type: must be "function" or "custom"'),
    ([{**PATCH, "format": {"type": "regex"}}], 'tools.0.format.type: must be "text" or "gra'),
    ([{**FUNCTION, "bogus": 1}], "tools.0.bogus: no such field here"),
    ([SHELL, {**FUNCTION, "cache_control": 1}], "tools.1.cache_control: must be an object"),
]


@pytest.mark.parametrize(("tools", "reason"), WRONG, ids=lambda case: str(case)[:50])
def test_a_tool_that_is_wrong_is_refused_with_where(tools: object, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        response(tools=tools)
    assert caught.value.message.startswith(reason)


# -- How a call comes back -----------------------------------------------------------------------


def call(name: str, *pieces: str, index: int = 0) -> list[Event]:
    begin = opened(index, type="tool_use", id=f"t{index}", name=name, input={})
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin, *deltas, closed(index)]


def result(
    asked: ResponsesRequest, events: list[Event]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events of an answer, and the response; whole and streamed are the same."""
    stream = ResponsesRenderer(1, asked.echo, tools=asked.tools)
    found = [item for event in events for item in stream.add(event)]
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    whole = json.loads(ResponsesRenderer(1, asked.echo, tools=asked.tools).whole(answer))
    assert found[-1]["response"] == whole
    Response.model_validate(whole)
    return found, whole


@frozen
class Back:
    """A call as the model makes it, and the item that it is to the caller."""

    name: str
    pieces: list[str]
    item: dict[str, Any]


ACTION: dict[str, Any] = {
    "type": "exec",
    "env": {},
    "timeout_ms": None,
    "user": None,
    "working_directory": None,
}
BACK = [
    Back(
        "f",
        ['{"a"', ":1}"],
        {"type": "function_call", "id": "fc_msg_1_0", "name": "f", "arguments": '{"a":1}'},
    ),
    Back(
        "agents__spawn",
        [],
        {
            "type": "function_call",
            "id": "fc_msg_1_0",
            "name": "spawn",
            "namespace": "agents",
            "arguments": "{}",
        },
    ),
    Back(
        "apply_patch",
        ['{"inp', 'ut": "a\\n\\', "u00e9\\ud83", 'd\\ude00"}'],
        {
            "type": "custom_tool_call",
            "id": "ctc_msg_1_0",
            "name": "apply_patch",
            "input": "a\né😀",
        },
    ),
    Back(
        "local_shell",
        ['{"command": ["ls", "-l"], "timeout_ms": 5}'],
        {
            "type": "local_shell_call",
            "id": "lsh_msg_1_0",
            "action": {**ACTION, "command": ["ls", "-l"], "timeout_ms": 5},
        },
    ),
    Back(
        "tool_search",
        ['{"query": "x"}'],
        {
            "type": "tool_search_call",
            "id": "tsc_msg_1_0",
            "execution": "client",
            "arguments": {"query": "x"},
        },
    ),
]


@pytest.mark.parametrize("back", BACK, ids=lambda case: case.name)
def test_a_call_comes_back_as_what_its_tool_is(back: Back) -> None:
    asked = response(tools=[FUNCTION, AGENTS, PATCH, SHELL, FIND])
    events, whole = result(asked, [start(), *call(back.name, *back.pieces), *end("tool_use")])
    assert whole["output"] == [{**back.item, "status": "completed", "call_id": "t0"}]
    added, done = (
        next(event["item"] for event in events if event["type"] == f"response.output_item.{how}")
        for how in ("added", "done")
    )
    assert (added["status"], added["type"]) == ("in_progress", back.item["type"])
    assert done == whole["output"][0]


def test_the_text_of_a_custom_call_streams_as_it_is_decoded() -> None:
    asked = response(tools=[PATCH])
    pieces = ['{"input": "*** Be', "gin\\", 'n+x\\"y', '\\"', '"}']
    events, _ = result(asked, [start(), *call("apply_patch", *pieces), *end("tool_use")])
    assert [event["type"].removeprefix("response.") for event in events[2:]] == [
        "output_item.added",
        *["custom_tool_call_input.delta"] * 4,
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    deltas = [event["delta"] for event in events if "delta" in event]
    assert deltas == ["*** Be", "gin", '\n+x"y', '"']
    assert events[-3]["input"] == "".join(deltas)


def test_a_call_that_is_cut_says_so_where_it_is_done_too() -> None:
    asked = response(tools=[PATCH])
    events, whole = result(
        asked, [start(), *call("apply_patch", '{"input": "ab\\'), *end("max_tokens")]
    )
    assert (whole["output"][0]["input"], whole["output"][0]["status"]) == ("ab", "incomplete")
    assert events[-2]["item"]["status"] == "incomplete"


@given(
    text=st.text() | st.text('\\"u\n\ud83d\ude00', max_size=9),
    how=st.sampled_from([{"ensure_ascii": True}, {"ensure_ascii": False}]),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_any_text_in_any_pieces_is_decoded(
    text: str, how: dict[str, bool], cuts: list[int]
) -> None:
    whole = json.dumps({"input": text}, **how)  # type: ignore[arg-type]
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places)]
    decoder = TextOfCall()
    found = "".join(map(decoder.feed, pieces)) + decoder.rest()
    assert found == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('{"patch": "p"}', "p"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"a": 1, "input": "p"}', "p"),
        ('{"something else that is long": "' + "p" * 99 + '"}', "p" * 99),
        ("", ""),
        ("{}", ""),
        ('{"input": "a\\x"}', "a\\x"),
    ],
)
def test_another_json_than_expected_is_still_a_text(written: str, text: str) -> None:
    decoder = TextOfCall()
    assert "".join(map(decoder.feed, written)) + decoder.rest() == text


def test_a_command_in_one_string_is_for_a_shell() -> None:
    assert action_of('{"command": "ls -l"}')["command"] == ["bash", "-lc", "ls -l"]
    assert action_of("{")["command"] == []


def test_a_tool_that_nobody_has_given_comes_back_as_a_function() -> None:
    _, whole = result(response(), [start(), *call("made_up"), *end("tool_use")])
    assert (whole["output"][0]["type"], whole["output"][0]["name"]) == ("function_call", "made_up")


@pytest.mark.parametrize("tool", [SHELL, AGENTS, FIND, {"type": "file_search"}])
def test_a_chat_has_functions_and_custom_tools_alone(tool: dict[str, Any]) -> None:
    asked = chat(tools=[tool])
    assert "tools" not in asked.messages.turn.parameters
    assert asked.messages.notes == (
        f"tools.0: {tool['type']} left out: this server does not run it",
    )


def test_custom_tools_in_a_chat() -> None:
    tool = {"name": "note", "format": {"type": "grammar", "grammar": {**LARK, "type": "lark"}}}
    used = {"id": "c1", "type": "custom", "custom": {"name": "note", "input": "abc"}}
    asked = chat(
        messages=[
            HI,
            {"role": "assistant", "tool_calls": [used]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ],
        tools=[{"type": "custom", "custom": tool}],
        tool_choice={"type": "custom", "custom": {"name": "note"}},
    )
    assert asked.messages.turn.messages[1].content[0]["input"] == {"input": "abc"}
    assert asked.messages.turn.parameters["tool_choice"]["name"] == "note"
    events = [
        start(),
        *text_block(0, "so"),
        *call("note", '{"input": "a', 'b"}', index=1),
        *end("tool_use"),
    ]
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    whole = json.loads(ChatRenderer(1, tools=asked.tools).whole(answer))
    (made,) = whole["choices"][0]["message"]["tool_calls"]
    assert made == {"id": "t1", "type": "custom", "custom": {"name": "note", "input": "ab"}}
    lines = ChatRenderer(1, tools=asked.tools).events(events).split(b"\n\n")[:-1]
    deltas = [json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"] for line in lines]
    pieces = [item["tool_calls"][0]["custom"] for item in deltas if "tool_calls" in item]
    assert pieces == [{"name": "note", "input": ""}, {"input": "a"}, {"input": "b"}]
