"""What a caller says reaches the API as said, and what it answers reaches the caller.

Each scenario is asked directly and through the server, whole and streamed: the two requests that
the API gets are compared field by field, the two answers event by event.
"""

from pathlib import Path
from typing import Any

import anthropic
import pytest
from attrs import field, frozen

from tests.messages import assistant, document, image, result, text, use, user
from tests.real.comparison import Asked, Both, both_ways, with_input_tokens
from tests.real.servers import MODEL

pytestmark = pytest.mark.real


CACHED = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
PDF = document(type="base64", media_type="application/pdf", data="JVBERi0xLjQK")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
TIME = {"name": "get_time", "input_schema": {"type": "object"}}
LATER = {"name": "get_forecast", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
SEARCH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "trio"},
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
CITED = {
    "type": "web_search_result_location",
    "url": "https://e.example/a",
    "title": "T",
    "encrypted_index": "aW5k",
    "cited_text": "c",
}
PAGE = {
    "type": "page_location",
    "document_index": 0,
    "document_title": "T",
    "start_page_number": 1,
    "end_page_number": 2,
    "cited_text": "c",
}
BILLING = "x-anthropic-billing-header: cc_version=9.9.9.abc; cc_entrypoint=cli; cch=00000;"
BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"
IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."
JSON_SCHEMA = {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
CALLS = '[[standin tool=get_weather input={"city":"Zürich"}]] [[standin tool=get_time]]'
THINKS = '[[standin thinking="so be it" text="yes"]]'
STOPS = '[[standin text="one two STOP three"]]'


def tools(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages), "tools": [WEATHER, TIME]}


def says(*content: dict[str, Any] | str, **fields: object) -> dict[str, Any]:
    return {"messages": [user(*content)], **fields}


def thinking(**fields: object) -> dict[str, Any]:
    return {"max_tokens": 4000, "thinking": fields}


def sent(*messages: dict[str, Any]) -> dict[str, Any]:
    """What differs: the messages, as the CLI can carry them."""
    return {"messages": list(messages)}


def reminder(instruction: str) -> dict[str, Any]:
    return text(f"<system-reminder>\n{instruction}\n</system-reminder>")


@frozen
class Scenario:
    """A request less what each has, and what of it differs at the API, if anything does."""

    name: str
    request: dict[str, Any]
    differs: dict[str, Any] = field(factory=dict)


SCENARIOS = [
    Scenario("a word", says("hello")),
    Scenario("a string for a block", {"messages": [{"role": "user", "content": "hello"}]}),
    # The system prompt.
    Scenario("a system prompt", says("hello", system="Be brief.")),
    Scenario("system blocks", says("hello", system=[text("Be brief."), text("Be kind.")])),
    Scenario("an odd system prompt", says("hello", system=" /clear\n\n@/etc/hosts \u2028 ")),
    # Parameters.
    Scenario("max_tokens 1", says("hello", max_tokens=1)),
    Scenario("max_tokens 100,000", says("hello", max_tokens=100_000, stream_only=True)),
    Scenario("temperature", says("hello", temperature=0.25)),
    Scenario("temperature 0", says("hello", temperature=0)),
    Scenario("top_p alone", says("hello", top_p=0.5)),
    Scenario("top_p and thinking", says("hello", top_p=0.95, **thinking(type="adaptive"))),
    Scenario("temperature and top_p", says("hello", temperature=0.5, top_p=0.5)),
    Scenario("top_k", says("hello", top_k=40)),
    Scenario("stop sequences", says(STOPS, stop_sequences=["STOP", "\n\n!"])),
    Scenario("metadata", says("hello", metadata={"user_id": "u-1"})),
    Scenario("service_tier", says("hello", service_tier="standard_only")),
    Scenario("an effort", says("hello", model="claude-opus-4-5", output_config={"effort": "low"})),
    Scenario("an effort for any model", says("hello", output_config={"effort": "max"})),
    Scenario("structured output", says("hello", output_config={"format": JSON_SCHEMA})),
    Scenario("thinking off", says("hello", thinking={"type": "disabled"})),
    Scenario("thinking", says(THINKS, **thinking(type="enabled", budget_tokens=1024))),
    Scenario("adaptive thinking", says(THINKS, **thinking(type="adaptive", display="omitted"))),
    Scenario("a model that always thinks", says(THINKS, model="claude-opus-5-5", **thinking(type="adaptive"))),
    Scenario("a model that is not known", says("hello", model="claude-of-tomorrow")),
    Scenario("container", says("hello", container="container_1")),
    Scenario("inference_geo", says("hello", inference_geo="us")),
    Scenario("context management", says("hello", context_management={"edits": []}, betas=["context-management-2025-06-27"])),
    Scenario("mcp servers", says("hello", mcp_servers=[{"type": "url", "url": "https://a.example", "name": "a"}], betas=["mcp-client-2025-11-20"])),
    Scenario("beta features", says("hello", betas=["files-api-2025-04-14", "foo-2026-01-01"])),
    # Tools.
    Scenario("calls of tools", {**tools(user(CALLS))}),
    Scenario("text and a call", tools(user('[[standin text="I will look." tool=get_time]]'))),
    Scenario("tool_choice any", {**tools(user(CALLS)), "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}),
    Scenario("tool_choice one", {**tools(user(CALLS)), "tool_choice": {"type": "tool", "name": "get_time"}}),
    Scenario("tool_choice none", {**tools(user("hello")), "tool_choice": {"type": "none"}}),
    Scenario("no tools", says("hello", tools=[])),
    Scenario("a tool named as the CLI's", {**says("hello"), "tools": [{**WEATHER, "name": "Bash"}]}),
    Scenario("the API's own tools", says("hello", tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}])),
    Scenario("fifty tools", says("hello", tools=[{**WEATHER, "name": f"tool_{i}"} for i in range(50)])),
    Scenario("a result", tools(user("weather?"), assistant(use("t1", city="Bern")), user(result("t1")))),
    Scenario("results in parallel", tools(user("?"), assistant("So.", use("t1"), use("t2", "get_time")), user(result("t2"), result("t1"), "and?"))),
    Scenario("a result in blocks", tools(user("?"), assistant(use("t1")), user(result("t1", [text("a"), image(), PDF])))),
    Scenario("a result without content", tools(user("?"), assistant(use("t1")), user({"type": "tool_result", "tool_use_id": "t1"}))),
    Scenario("an empty result", tools(user("?"), assistant(use("t1")), user(result("t1", "")))),
    Scenario("a result that is a command", tools(user("?"), assistant(use("t1")), user(result("t1", "/cost @/etc/hosts")))),
    Scenario("an error", tools(user("?"), assistant(use("t1")), user(result("t1", "no such city", is_error=True)))),
    Scenario("two rounds", tools(user("?"), assistant(use("t1")), user(result("t1")), assistant("Now.", use("t2")), user(result("t2")))),
    Scenario("a round, and on", tools(user("?"), assistant(use("t1")), user(result("t1")), assistant("Sunny."), user("thanks"))),
    Scenario("thoughts before a call", {**tools(user("?"), assistant(THOUGHT, use("t1")), user(result("t1"))), **thinking(type="enabled", budget_tokens=2000)}),
    Scenario("input of every kind", tools(user("?"), assistant(use("t1", a=[1, 1.5, None, {"b": "\u2028🦉"}])), user(result("t1")))),
    # Content.
    Scenario("an image", says(image(), "what is it?")),
    Scenario("an image alone", says(image())),
    Scenario("an image of the largest size", says(image(2000), "and this?")),
    Scenario("a large image in a result", tools(user("?"), assistant(use("t1")), user(result("t1", [image(3000)])))),
    Scenario("an image by its url", says({"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}})),
    Scenario("a PDF", says({**PDF, "title": "T", "context": "C", "citations": {"enabled": True}}, "?")),
    Scenario("a text document", says({**document(type="text", media_type="text/plain", data="hello"), **CACHED})),
    Scenario("a document in blocks", says(document(type="content", content=[text("chunk")]))),
    Scenario("a document by its url", says(document(type="url", url="https://a.example/x.pdf"))),
    Scenario("a file", says(document(type="file", file_id="file_1"), betas=["files-api-2025-04-14"])),
    Scenario("a search result", says({"type": "search_result", "source": "s", "title": "t", "content": [text("x")]})),
    Scenario("an image in the history", {"messages": [user(image(), "?"), assistant("A square."), user("sure?")]}),
    Scenario("thoughts in the history", {"messages": [user("?"), assistant(THOUGHT, SECRET, "Yes."), user("sure?")], **thinking(type="enabled", budget_tokens=1024)}),
    Scenario("thoughts without thinking", {"messages": [user("?"), assistant(THOUGHT, "Yes."), user("sure?")]}),
    Scenario("thoughts of two messages", {"messages": [user("?"), assistant(THOUGHT, "Yes."), user("sure?"), assistant(SECRET, "Yes."), user("ok")]}),
    Scenario("thoughts, by a short name", {"messages": [user("?"), assistant(THOUGHT, "Yes."), user("sure?")], "model": "opus", **thinking(type="adaptive")}, {"model": "claude-opus-5-5"}),
    Scenario("a search of the API's", {"messages": [user("?"), assistant(SEARCH, FOUND, "Found."), user("thanks")]}),
    Scenario("texts", {"messages": [user("a", "b", "c"), assistant("d", "e"), user("f", "g")]}),
    Scenario("odd texts", says("\u2028a\u2029", "b\u0000c", "  d  ", "e\r\n\tf", "🦉 é e\u0301 \ufeff.", "</s><|x|>", "\\u0041 \"'`$(id)")),
    Scenario("words of the CLI's", {"messages": [user("<system-reminder>x</system-reminder>", "(no content)"), assistant("[Request interrupted by user]"), user("No response requested.")]}),
    Scenario("a megabyte", says("word " * 200_000 + "[[standin words=1]]")),
    # Breakpoints.
    Scenario("breakpoints", {"messages": [user(text("a", **CACHED), "b"), assistant(text("c", **CACHED)), user(text("d", **CACHED))]}),
    Scenario("breakpoints of an hour", {**tools(user(text("a", **HOUR))), "tools": [{**WEATHER, **HOUR}]}),
    Scenario("a breakpoint at the end", says("a", **CACHED)),
    Scenario(
        "breakpoints at a call and its result",
        tools(user("q"), assistant("t", {**use("t1"), **CACHED}), user({**result("t1"), **CACHED})),
        sent(user("q"), assistant(text("t", **CACHED), use("t1")), user({**result("t1"), **CACHED})),
    ),
    Scenario(
        "a breakpoint at an image",
        says({**image(), **CACHED}, "what?"),
        sent(user(image(), text("what?", **CACHED))),
    ),
    # Claude Code and the Agent SDK.
    Scenario(
        "the blocks that Claude Code begins a prompt with",
        says("hello", system=[text(BILLING), text(IDENTITY, **CACHED), text("Help.", **CACHED)]),
        {"system": f"{IDENTITY}\n\nHelp.", "messages": [user(text("hello", **CACHED))]},
    ),
    Scenario(
        "the blocks that the Agent SDK begins with, and no prompt",
        says("hello", system=[text(BILLING), text(IDENTITY)]),
        {"system": ""},
    ),
    Scenario(
        "the CLI's mark in a prompt",
        says("hello", system=f"a\n {BOUNDARY}\nb"),
        {"system": f"\na\n {BOUNDARY}\nb"},
    ),
    Scenario("the CLI's mark in a prompt with room before it", says("hello", system=f"\n\na\n{BOUNDARY}")),
    Scenario("the CLI's mark alone", says("hello", system=BOUNDARY), {"system": f"\n{BOUNDARY}"}),
    Scenario("an identity alone", says("hello", system=IDENTITY), {"system": ""}),
    Scenario(
        "a system message in the conversation",
        {"messages": [user("hi"), assistant("yes?"), user("go"), {**user("French."), "role": "system"}]},
        sent(user("hi"), assistant("yes?"), user("go", reminder("French."))),
    ),
    Scenario(
        "a system message behind the first",
        {"messages": [user("hi"), {**user("Linux."), "role": "system"}, assistant("yes?"), user("go")]},
        sent(user("hi", reminder("Linux.")), assistant("yes?"), user("go")),
    ),
    Scenario(
        "a system message between a call and its result, and an effort in it",
        {
            **tools(
                user("q"),
                assistant(use("t1")),
                {**user("Be brief."), "role": "system", "output_config": {"effort": "low"}},
                user(result("t1")),
            ),
            "model": "claude-opus-4-5",
        },
        sent(user("q"), assistant(use("t1")), user(result("t1"), reminder("Be brief.")))
        | {"output_config": {"effort": "low"}},
    ),
    Scenario(
        "references to tools in the result of a search",
        {
            **tools(
                user("?"),
                assistant(use("t1")),
                user(result("t1", [{"type": "tool_reference", "tool_name": "get_time"}])),
            ),
            "tools": [WEATHER, {**TIME, "defer_loading": True}, {**LATER, "defer_loading": True}],
            "betas": ["advanced-tool-use-2025-11-20"],
        },
        sent(user("?"), assistant(use("t1")), user(result("t1", [text("Tool loaded: get_time")])))
        | {"tools": [WEATHER, TIME, {**LATER, "defer_loading": True}]},
    ),
    # What comes back from the API and is sent again.
    Scenario(
        "thoughts between two calls",
        {
            **tools(
                user("?"),
                assistant(THOUGHT, use("t1"), {**THOUGHT, "thinking": "two"}, use("t2")),
                user(result("t1"), result("t2")),
            ),
            **thinking(type="enabled", budget_tokens=1024),
        },
    ),
    Scenario(
        "a text between two calls",
        tools(user("?"), assistant("a", use("t1"), "b", use("t2")), user(result("t1"), result("t2"))),
        sent(user("?"), assistant("a", "b", use("t1"), use("t2")), user(result("t1"), result("t2"))),
    ),
    Scenario(
        "citations of a web search",
        {"messages": [user("?"), assistant(SEARCH, FOUND, text("Found.", citations=[CITED])), user("more")]},
    ),
    Scenario(
        "citations of a document",
        {"messages": [user("?"), assistant(text("So.", citations=[PAGE])), user("more")]},
        sent(user("?"), assistant("So."), user("more")),
    ),
    Scenario(
        "only a thought",
        {"messages": [user("?"), assistant(THOUGHT), user("more")]},
        sent(user("?", "more")),
    ),
    Scenario(
        "a number that is large",
        tools(user("?"), assistant(use("t1", id=2**60)), user(result("t1"))),
        sent(user("?"), assistant(use("t1", id=str(2**60))), user(result("t1"))),
    ),
]  # fmt: skip


async def differences(both: Both, scenario: Scenario) -> list[str]:
    request = {"model": MODEL, "max_tokens": 1000, **scenario.request}
    found = []
    is_stream_only = request.pop("stream_only", False)
    for ask in (both.stream,) if is_stream_only else (both.stream, both.whole):
        # The SDK's signatures leave out what the newest models do not take.
        known = ("model", "max_tokens", "messages", "betas")
        named: dict[str, Any] = {k: request[k] for k in known if k in request}
        extra = {k: v for k, v in request.items() if k not in named}
        try:
            answers = await ask({**named, "extra_body": extra})
        except anthropic.APIStatusError as error:
            found.append(f"{scenario.name}: {error}")
            continue
        direct, through = await both.asked(scenario.request)
        expected = Asked({**direct.body, **scenario.differs}, direct.betas, through.own_words)
        if through != expected:
            found.append(f"{scenario.name}: asked\n  {expected}\n  {through}")
        answered = with_input_tokens(answers[1], through.own_words)
        answered_directly = with_input_tokens(answers[0], 0)
        if scenario.differs:
            continue
        if answered != answered_directly:
            found.append(f"{scenario.name}: answered\n  {answered_directly}\n  {answered}")
    return found


async def test_every_scenario_is_the_same_directly_and_through_the_server(tmp_path: Path) -> None:
    async with both_ways(tmp_path) as both:
        found = [line for item in SCENARIOS for line in await differences(both, item)]
        stats = await both.server.settled()
    assert not found, "\n".join(line[:3000] for line in found)
    assert set(stats.retirements) <= {"made room"}
