"""The items of a conversation as Codex sends them back, and what the model is told by them."""

from typing import Any

import pytest
from attrs import frozen

from tests.dialects.openai_requests import HI, response
from tests.messages import assistant, result, user
from trioproxy.dialects.openai.items import sealed, sealed_summary
from trioproxy.dialects.openai.response_request import ResponsesRequest
from trioproxy.errors import InvalidRequest

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def call(call_id: str = "c1", **fields: object) -> dict[str, Any]:
    about = {"type": "function_call", "call_id": call_id, "name": "look", "arguments": "{}"}
    return {**about, **fields}


def output(name: str = "c1", text: object = "sunny", kind: str = "function") -> dict[str, Any]:
    return {"type": f"{kind}_call_output", "call_id": name, "output": text, "id": "fco_1"}


def thought(content: str | None) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": content}


def words(text: str, role: str = "user") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def use(name: str, tool: str = "look", **given: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": tool, "input": given}


def messages(asked: ResponsesRequest) -> list[dict[str, Any]]:
    turn = asked.messages.turn
    return [{"role": message.role, "content": [*message.content]} for message in turn.messages]


@frozen
class Said:
    """Items behind the user's first message, the messages that they are, and the notes."""

    name: str
    items: list[dict[str, Any]]
    messages: list[Any]
    notes: tuple[str, ...] = ()


ITEMS = [
    Said(
        "a custom call",
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "a\nb"},
            output(kind="custom_tool"),
        ],
        [assistant(use("c1", "patch", input="a\nb")), user(result("c1"))],
    ),
    Said(
        "a call in a namespace",
        [call(namespace="agents", status="completed", id="fc_1"), output()],
        [assistant(use("c1", "agents__look")), user(result("c1"))],
    ),
    Said(
        "a shell call",
        [
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "c1",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}, "user": None},
            },
            {"type": "local_shell_call_output", "id": "lsh_1", "output": "sunny"},
        ],
        [assistant(use("c1", "local_shell", command=["ls"])), user(result("c1"))],
    ),
    Said(
        "more of one result, at once and later",
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "exec", "input": "x"},
            output(text="one", kind="custom_tool"),
            output(text=[{"type": "input_text", "text": "two"}], kind="custom_tool"),
            words("so", "assistant"),
            output(text="three", kind="custom_tool"),
        ],
        [
            assistant(use("c1", "exec", input="x")),
            user({**result("c1"), "content": [
                {"type": "text", "text": "one"}, {"type": "text", "text": "two"}
            ]}),
            assistant("so"),
            user("three"),
        ],
    ),
    Said(
        "a text behind a call",
        [call(), words("I look.", "assistant"), call("c2"), output(), output("c2", "wet")],
        [
            assistant("I look.", use("c1"), use("c2")),
            user(result("c1"), result("c2", "wet")),
        ],
        ("input.2: moved before the calls",),
    ),
    Said(
        "what the user says before the result is there",
        [call(), words("and?"), output(), words("so?")],
        [assistant(use("c1")), user(result("c1"), "and?", "so?")],
        ("input.3: moved before the user's text, like all results",),
    ),
    Said(
        "thoughts of this server",
        [
            {**thought(sealed(THOUGHT)), "content": None},
            call(),
            output(),
        ],
        [assistant(THOUGHT, use("c1")), user(result("c1"))],
    ),
    Said(
        "thoughts of another, and none",
        [
            thought("gAAAA"),
            thought(sealed({"type": "tool_use"})),
            thought(None),
        ],
        [],
        (
            "input.1 without effect: it was not issued by this server",
            "input.2 without effect: it was not issued by this server",
            "input.3 without effect: it has no encrypted_content",
        ),
    ),
    Said(
        "thoughts alone",
        [thought(sealed(THOUGHT)), words("go on")],
        [user("go on")],
        ("input.1: reasoning without an answer left out",),
    ),
    Said(
        "a summary",
        [{"type": "compaction", "encrypted_content": sealed_summary("All {well}.")}],
        [user("This is a summary of the conversation so far:\n\nAll {well}.")],
    ),
    Said(
        "summaries of another",
        [
            {"type": "compaction_summary", "encrypted_content": "gAAAA"},
            {"type": "context_compaction"},
        ],
        [],
        (
            "input.1 without effect: it was not issued by this server",
            "input.2 without effect: it was not issued by this server",
        ),
    ),
    Said(
        "what other tools have done",
        [
            {"type": "web_search_call", "id": "ws", "status": "completed", "action": {}},
            {"type": "image_generation_call", "id": "ig", "result": "x"},
            {"type": "configuration_update", "reasoning": {"effort": "low"}},
        ],
        [],
        (
            "input.1: web_search_call left out: Claude cannot be shown it again",
            "input.2: image_generation_call left out: there is no such tool",
            "input.3: configuration_update left out: what the request itself says counts",
        ),
    ),
    Said(
        "another agent's message",
        [
            {
                "type": "agent_message",
                "author": "/root/a",
                "recipient": "/root",
                "content": [{"type": "input_text", "text": "Done."}],
            },
            {"type": "agent_message", "content": [{"type": "encrypted_content"}]},
        ],
        [user("/root/a to /root:\nDone.")],
        ("input.2 without effect: it has no text",),
    ),
    Said(
        "fields of the client's own",
        [
            {**words("so", "assistant"), "phase": "commentary", "id": "msg_1"},
            {**words("go"), "internal_chat_message_metadata_passthrough": {"turn_id": "t"}},
            call(encrypted_function_args=[], internal_chat_message_metadata_passthrough={}),
            {**output(), "name": "look", "namespace": None},
        ],
        [assistant("so"), user("go"), assistant(use("c1")), user(result("c1"))],
    ),
    Said(
        "nothing",
        [{"role": "user", "content": []}],
        [],
        ("input.1: empty message left out",),
    ),
]  # fmt: skip


def merged(body: list[Any]) -> list[Any]:
    """Neighbours of one role as one message."""
    found: list[Any] = []
    for part in body:
        if found and found[-1]["role"] == part["role"]:
            found[-1] = {**part, "content": [*found[-1]["content"], *part["content"]]}
        else:
            found.append(part)
    return found


@pytest.mark.parametrize("case", ITEMS, ids=lambda case: case.name)
def test_items_are_messages(case: Said) -> None:
    end = [words("now")]
    asked = response(input=[HI, *case.items, *end], tools=[LOOK])
    assert messages(asked) == merged([user("hi"), *case.messages, user("now")])
    assert asked.messages.notes == case.notes


def test_an_old_call_has_the_name_of_the_tool_that_is_there_now() -> None:
    """A conversation may go on with a model for which the client has another kind of tool."""
    old = {"type": "custom_tool_call", "call_id": "c1", "name": "look", "input": "x"}
    asked = response(input=[HI, old, output(kind="custom_tool")], tools=[LOOK])
    assert messages(asked)[1]["content"][0]["name"] == "look"
    assert [tool["name"] for tool in asked.messages.turn.parameters["tools"]] == ["look"]


# -- Tools that come with the conversation -------------------------------------------------------

SPAWN = {
    "type": "function",
    "name": "spawn",
    "parameters": {"type": "object"},
    "defer_loading": True,
}
AGENTS = {"type": "namespace", "name": "agents", "description": "", "tools": [SPAWN]}


def test_tools_that_are_added_can_be_called() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [AGENTS]}
    asked = response(input=[more, HI, call(name="spawn", namespace="agents"), output()])
    (tool,) = asked.messages.turn.parameters["tools"]
    assert tool["name"] == messages(asked)[1]["content"][0]["name"] == "agents__spawn"
    assert asked.tools.called("agents__spawn").namespace == "agents"


def test_tools_that_are_found_can_be_called_and_the_model_hears_their_names() -> None:
    search = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
    sought = {"type": "tool_search_call", "execution": "client", "arguments": {"query": "x"}}
    found = {"type": "tool_search_output", "execution": "client", "tools": [AGENTS]}
    none = {**found, "call_id": "c2", "tools": []}
    items = [
        {**sought, "call_id": "c1"},
        {**found, "call_id": "c1"},
        {**sought, "call_id": "c2"},
        none,
        {**sought, "call_id": "c3"},
        {**found, "call_id": "c3"},
    ]
    asked = response(input=[HI, *items], tools=[search])
    names = [tool["name"] for tool in asked.messages.turn.parameters["tools"]]
    assert names == ["tool_search", "agents__spawn"]
    results = [message["content"][0]["content"] for message in messages(asked)[2::2]]
    there = "These tools can be called now: agents__spawn"
    assert results == [there, "None is found.", there]


def test_a_search_of_the_servers_own_is_passed_over() -> None:
    sought = {"type": "tool_search_call", "execution": "server", "arguments": {}}
    found = {"type": "tool_search_output", "execution": "server", "tools": [AGENTS]}
    asked = response(input=[HI, sought, found])
    assert messages(asked) == [user("hi")]
    assert [tool["name"] for tool in asked.messages.turn.parameters["tools"]] == ["agents__spawn"]


# -- What is refused -----------------------------------------------------------------------------

REFUSED = [
    ({"type": "of_tomorrow"}, "input.1.type: not supported by this server: of_tomorrow"),
    ({"type": ["message"]}, "input.1.type: not supported by this server: a list"),
    ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input.1.input: Field required"),
    ({"type": "local_shell_call", "call_id": "c"}, "input.1.action: Field required"),
    ({"type": "tool_search_call", "arguments": {}}, "input.1.call_id: must be a string"),
    ({"type": "function_call_output", "call_id": "c"}, "input.1.output: Field required"),
    (call(), 'input.1: the next message must have a tool_result for "c1"'),
    (output(), 'input.1: no tool_use with the id "c1"'),
    ({"type": "additional_tools", "tools": [{}]}, "input.1.tools.0.type: must be a string"),
]


@pytest.mark.parametrize(("item", "reason"), REFUSED, ids=lambda case: str(case)[:50])
def test_an_item_that_is_wrong_is_refused_with_where(item: object, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        response(input=[HI, item, HI])
    assert caught.value.message.startswith(reason)
