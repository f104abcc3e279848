"""What an operator's settings make of requests, and what comes beside an answer."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.messages import image, user
from tests.real.background import there
from tests.real.servers import MODEL, Running, running
from trioproxy.dialects.anthropic.parameters import PARAMETERS
from trioproxy.refusals import Refusal
from trioproxy.settings import ClaudeSettings, PoolSettings, ServerSettings

pytestmark = pytest.mark.real

HI = [{"role": "user", "content": "hello"}]
SLOW = [{"role": "user", "content": "[[standin words=8 rate=4]]"}]


async def posted(url: str, **body: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as http:
        return await http.post(f"{url}/v1/messages", json=body)


async def test_ping_interval_of_a_silent_stream(tmp_path: Path) -> None:
    async with running(tmp_path, server=ServerSettings(ping_interval=0.1)) as server:
        response = await posted(
            server.url, model=MODEL, max_tokens=100, messages=SLOW, stream=True
        )
    events = [line for line in response.text.splitlines() if line.startswith("event: ")]
    assert events.count("event: ping") >= 6
    assert 'event: ping\ndata: {"type":"ping"}\n\n' in response.text
    assert events.count("event: content_block_delta") == 8
    assert events[0] == "event: message_start"
    assert events[-1] == "event: message_stop"


async def test_turn_timeout_ends_an_answer_and_its_process_serves_on(
    tmp_path: Path,
) -> None:
    pool = PoolSettings(min_size=1, max_size=1, event_timeout=0.4)
    async with running(tmp_path, pool) as server:
        hangs = [{"role": "user", "content": "[[standin words=2 rate=0.2]]"}]
        streamed = await posted(
            server.url, model=MODEL, max_tokens=100, messages=hangs, stream=True
        )
        whole = await posted(server.url, model=MODEL, max_tokens=100, messages=hangs)
        after = await posted(server.url, model=MODEL, max_tokens=1000, messages=HI)
        (worker,) = (await server.settled()).workers
        assert server.stats.turn_timeouts == 2
        assert server.standin.open_streams == 0
    assert "event: message_stop" not in streamed.text
    assert '"type":"timeout_error"' in streamed.text.split("\n\n")[-2]
    assert (whole.status_code, whole.json()["error"]["type"]) == (504, "timeout_error")
    assert "`event_timeout`" in whole.json()["error"]["message"]
    assert after.status_code == 200
    assert worker.uses == 3


async def test_the_operators_model_and_prompt_and_environment(tmp_path: Path) -> None:
    claude = ClaudeSettings(
        model="claude-haiku-4-5",
        system_prompt="Be kind.",
        env={"ANTHROPIC_CUSTOM_HEADERS": "x-team: owls"},
        extra_args=("--exclude-dynamic-system-prompt-sections",),
    )
    async with running(tmp_path, claude=claude) as server:
        assert (await posted(server.url, max_tokens=1000, messages=HI)).status_code == 200
        (asked,) = server.standin.record.messages
    assert asked.body["model"] == "claude-haiku-4-5"
    assert asked.body["system"][-1]["text"] == "Be kind."
    assert asked.headers["x-team"] == "owls"


@there
async def test_a_breakpoint_in_the_system_prompt(server: Running) -> None:
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    first = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    response = await posted(
        server.url,
        model=MODEL,
        max_tokens=1000,
        system=[
            {"type": "text", "text": "Long."},
            {"type": "text", "text": "Prompt.", **cached},
        ],
        messages=[user(first, "b"), {"role": "assistant", "content": "c"}, user("d")],
    )
    await posted(server.url, model=MODEL, max_tokens=1000, messages=HI)
    asked, after = server.asked()
    assert response.status_code == 200
    assert asked["system"][-1] == {"type": "text", "text": "Long.\n\nPrompt.", **cached}
    marks = [b.get("cache_control") for m in asked["messages"] for b in m["content"]]
    assert marks == [{"type": "ephemeral"}, None, None, {"type": "ephemeral"}]
    assert "cache_control" not in str(after)


@there
async def test_what_does_not_arrive_as_it_was_said_is_noted(server: Running) -> None:
    for stream in (False, True):
        response = await posted(
            server.url,
            model=MODEL,
            max_tokens=1000,
            messages=[user(image(2500))],
            stream=stream,
        )
        assert response.headers["x-trioproxy-notes"] == "images that the CLI may scale down"
    response = await posted(server.url, model=MODEL, max_tokens=1000, messages=HI)
    assert "x-trioproxy-notes" not in response.headers


@there
async def test_an_error_of_the_apis_says_what_was_mended_before_it(server: Running) -> None:
    asked = user("[[standin error=529]]")
    for stream in (False, True):
        response = await posted(
            server.url,
            model=MODEL,
            max_tokens=1000,
            messages=[asked, {"role": "system", "content": "Linux."}],
            stream=stream,
        )
        assert response.status_code == 529
        assert response.headers["x-trioproxy-notes"] == (
            "system messages in the conversation sent as reminders in a user's turn"
        )


@there
async def test_capabilities_are_the_table(server: Running) -> None:
    async with httpx.AsyncClient() as http:
        result = (await http.get(f"{server.url}/v1/capabilities")).json()
    assert list(result["parameters"]) == list(PARAMETERS)
    assert result["parameters"]["temperature"] == {"honoured": True, "note": "as given"}
    assert result["parameters"]["thread"]["honoured"] is False
    assert "tool_result" in result["content_blocks"]["user"]
    assert result["refusals"]["assistant_last"] == {
        "category": Refusal.ASSISTANT_LAST.category.value,
        "advice": Refusal.ASSISTANT_LAST.advice,
    }


@there
async def test_a_request_of_many_megabytes(server: Running) -> None:
    text = "word " * 1_600_000
    response = await posted(
        server.url,
        model=MODEL,
        max_tokens=1000,
        messages=[user(text + "[[standin words=1]]")],
        tools=[
            {"name": f"t{i}", "description": text[:50_000], "input_schema": {"type": "object"}}
            for i in range(40)
        ],
    )
    (asked,) = server.asked()
    assert response.status_code == 200
    assert len(asked["messages"][0]["content"][0]["text"]) > 8_000_000
    assert len(asked["tools"]) == 40
