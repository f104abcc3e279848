"""Requests as Codex sends them, whole and streamed, by the real CLI."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, evolve

from tests.real.servers import MODEL, ONE, Running, running
from trioproxy.settings import OpenAISettings
from trioproxy.standin.script import ODD, Call, Given, Say, Script, Think, Turn, offered, steps

pytestmark = pytest.mark.real

PATIENT = evolve(ONE, acquire_timeout=30.0)  # a process boots for each new prompt

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "exec_command",
        "strict": False,
        "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
    },
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "d",
        "tools": [
            {
                "type": "function",
                "name": "spawn_agent",
                "strict": False,
                "parameters": {"type": "object", "properties": {}},
            }
        ],
    },
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "d",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
    },
    {"type": "web_search", "external_web_access": True},
]
ASKED: dict[str, Any] = {
    "model": MODEL,
    "store": False,
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    ],
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "client_metadata": {"x-codex-installation-id": "00000000-0000-0000-0000-000000000000"},
}


@define
class Codex:
    """A server, and a client of its responses."""

    server: Running
    http: httpx.AsyncClient

    async def ask(self, script: Script, **fields: Any) -> tuple[dict[str, Any], httpx.Headers]:
        """The response, which is the same whole and streamed, and its headers."""
        self.server.standin.script = script
        body = {**ASKED, **fields}
        whole = await self.http.post("/v1/responses", json=body)
        assert whole.status_code == 200, whole.text
        streamed = await self.http.post("/v1/responses", json={**body, "stream": True})
        events = [
            json.loads(line.removeprefix("data: "))
            for line in streamed.text.splitlines()
            if line.startswith("data: ")
        ]
        last = events[-1]["response"]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        done = [item["item"] for item in events if item["type"] == "response.output_item.done"]
        assert done == last["output"]
        assert _of_any(last) == _of_any(whole.json())
        return last, whole.headers


def _of_any(response: dict[str, Any]) -> str:
    """A response without what is new in each."""
    text = json.dumps({**response, "created_at": 0})
    number = response["id"].removeprefix("resp_msg_standin_")
    return text.replace(number, "NUMBER")


@asynccontextmanager
async def codex(tmp_path: Path, *, can_search: bool = False) -> AsyncGenerator[Codex]:
    settings = OpenAISettings(web_search=can_search)
    async with (
        running(tmp_path, PATIENT, openai=settings) as server,
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
    ):
        yield Codex(server, http)


PATCH = '*** Begin Patch\n*** Add File: ü.txt\n+"\\n" 🌍\n*** End Patch\n'


async def test_its_first_request_is_answered_and_its_calls_come_back(tmp_path: Path) -> None:
    script = steps(
        Turn(
            [
                Think("Look."),
                Say("All at once."),
                Call("exec_command", {"cmd": "ls"}),
                Call("multi_agent_v1__spawn_agent"),
                Call("apply_patch", {"input": PATCH}),
            ],
            sizes=ODD,
        )
    )
    async with codex(tmp_path) as subject:
        response, headers = await subject.ask(script)
        notes = headers["x-trioproxy-notes"]
        thought, sent, command, spawn, patch = response["output"]
        assert thought["encrypted_content"]
        assert sent["content"][0]["text"] == "All at once."
        assert json.loads(command["arguments"]) == {"cmd": "ls"}
        assert (spawn["namespace"], spawn["name"]) == ("multi_agent_v1", "spawn_agent")
        assert (patch["type"], patch["input"]) == ("custom_tool_call", PATCH)
        assert "client_metadata without effect" in notes
        assert "tools: left out: web search is off" in notes
        names = [tool["name"] for tool in subject.server.asked()[-1]["tools"]]
        assert names == ["exec_command", "multi_agent_v1__spawn_agent", "apply_patch"]

        # And the next request, as it sends it.
        results = [
            {"type": f"{kind}_output", "call_id": item["call_id"], "output": "ok"}
            for item in (command, spawn, patch)
            for kind in [item["type"]]
        ]
        history = [*ASKED["input"], *response["output"], *results]
        last, _ = await subject.ask(lambda _body: Turn([Say("Done.")]), input=history)
        assert last["output"][0]["content"][0]["text"] == "Done."
        asked = subject.server.asked()[-1]["messages"]
    assert [block["type"] for block in asked[1]["content"]] == [
        "thinking", "text", "tool_use", "tool_use", "tool_use",
    ]  # fmt: skip
    assert asked[1]["content"][4]["input"] == {"input": PATCH}
    assert [block["content"] for block in asked[2]["content"]] == ["ok"] * 3


async def test_every_effort_is_one_of_claudes(tmp_path: Path) -> None:
    async with codex(tmp_path) as subject:
        for effort, claudes in (("minimal", "low"), ("xhigh", "xhigh"), ("ultra", "max")):
            _, headers = await subject.ask(
                lambda _body: Turn([Say("Hello.")]), reasoning={"effort": effort}
            )
            assert subject.server.asked()[-1]["output_config"]["effort"] == claudes
            taken = f"reasoning.effort: {effort} treated as {claudes}"
            assert (taken in headers["x-trioproxy-notes"]) is (effort != claudes)


async def test_old_items_of_every_kind_are_taken(tmp_path: Path) -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    history = [
        *ASKED["input"],
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        {"type": "local_shell_call", "call_id": "c2", "status": "completed", "action": action},
        {"type": "function_call_output", "call_id": "c2", "output": "aborted"},
        {"type": "web_search_call", "status": "completed", "action": {"type": "search"}},
        {"type": "compaction", "encrypted_content": "gAAAAAB"},
        *ASKED["input"],
    ]
    async with codex(tmp_path) as subject:
        _, headers = await subject.ask(lambda _body: Turn([Say("Hello.")]), input=history)
        asked = subject.server.asked()[-1]["messages"]
    kinds = [block["type"] for message in asked for block in message["content"]]
    assert kinds == ["text", "tool_use", "tool_result", "tool_use", "tool_result", "text"]
    notes = headers["x-trioproxy-notes"]
    assert "input without effect: it was not issued by this server (2)" in notes
    assert "input: web_search_call left out: Claude cannot be shown it again" in notes


async def test_a_call_that_is_cut_says_so_in_every_event(tmp_path: Path) -> None:
    script = steps(Turn([Call("apply_patch", {"input": "x" * 200})]))
    async with codex(tmp_path) as subject:
        response, _ = await subject.ask(script, max_output_tokens=5)
    (item,) = response["output"]
    assert (response["status"], item["status"]) == ("incomplete", "incomplete")
    assert set(item["input"]) == {"x"}


async def test_a_search_where_it_is_allowed(tmp_path: Path) -> None:
    page = {"type": "web_search_result", "url": "https://a.example", "title": "A"}
    citation = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "encrypted_index": "aW5k",
        "cited_text": "c",
    }
    search = {"id": "s1", "name": "web_search", "input": {"query": "so?"}}
    found = Turn(
        [
            Given({"type": "server_tool_use", **search}),
            Given({"type": "web_search_tool_result", "tool_use_id": "s1", "content": [page]}),
            Say("It is "),
            Say("so", [citation]),
            Say("."),
        ],
        sizes=ODD,
    )  # fmt: skip

    def script(body: Any) -> Turn:
        return found if "web_search" in offered(body) else Turn([Say("No.")])

    async with codex(tmp_path, can_search=True) as subject:
        response, _ = await subject.ask(script)
        chat = await subject.http.post(
            "/v1/chat/completions",
            json={
                "model": MODEL,
                "messages": [{"role": "user", "content": "so?"}],
                "web_search_options": {},
            },
        )
    made, sent = response["output"]
    assert (made["status"], made["action"]["query"]) == ("completed", "so?")
    assert sent["content"][0]["text"] == "It is so."
    place = {"start_index": 6, "end_index": 8}
    about = {"url": "https://a.example", "title": "A"}
    assert sent["content"][0]["annotations"] == [{"type": "url_citation", **place, **about}]
    message = chat.json()["choices"][0]["message"]
    assert message["annotations"] == [{"type": "url_citation", "url_citation": {**place, **about}}]


async def test_a_conversation_is_compacted_and_goes_on(tmp_path: Path) -> None:
    def script(body: Any) -> Turn:
        last = json.dumps(body["messages"][-1])
        return Turn([Say("It was hi." if "Write a summary of this" in last else "On it goes.")])

    async with codex(tmp_path) as subject:
        trigger = {"type": "compaction_trigger"}
        response, _ = await subject.ask(script, input=[*ASKED["input"], trigger])
        compacted = await subject.http.post(
            "/openai/v1/responses/compact", json={"model": MODEL, "input": ASKED["input"]}
        )
        assert compacted.json()["object"] == "response.compaction"
        for output in (response["output"], compacted.json()["output"]):
            assert output[-1]["type"] == "compaction"
            last, _ = await subject.ask(script, input=[*output, *ASKED["input"]])
            assert last["output"][0]["content"][0]["text"] == "On it goes."
            asked = subject.server.asked()[-1]["messages"]
            texts = [block["text"] for block in asked[0]["content"]]
            assert texts[-2:] == [
                "This is a summary of the conversation so far:\n\nIt was hi.",
                "hi",
            ]
