"""The main path: the official client, a socket, the pool, the real CLI, the stand-in's record."""

import os
import random
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
import trio

from tests.real.background import there
from tests.real.servers import MODEL, Running, running
from tests.sizing import Sized
from trioproxy.settings import PoolSettings

pytestmark = pytest.mark.real


def sent(text: str) -> list[dict[str, Any]]:
    """What the API is sent for one user message of `text`, by the CLI with `--bare`."""
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def own_system(body: dict[str, Any]) -> list[str]:
    """The system prompt less the CLI's own two blocks."""
    return [block["text"] for block in body["system"][2:]]


async def ask(server: Running, text: str, system: str = "Be brief.") -> str:
    message = await server.client.messages.create(
        model=MODEL, max_tokens=1000, system=system, messages=[{"role": "user", "content": text}]
    )
    assert message.stop_reason == "end_turn"
    (block,) = message.content
    assert block.type == "text"
    return block.text


@there
async def test_one_process_answers_ten_requests(server: Running) -> None:
    uses, before = await server.uses(), server.stats
    for i in range(10):
        assert await ask(server, f"question {i}") == (
            "I am the offline stand-in. You sent 1 message to claude-haiku-4-5; "
            f"the last one says: question {i}"
        )
        await server.settled()  # while it is being reset, another one would answer
    assert list((await server.uses() - uses).values()) == [10]
    stats = server.stats
    assert stats.connections_reused - before.connections_reused >= 9
    assert stats.retirements == before.retirements
    asked = server.asked()
    assert [body["messages"] for body in asked] == [sent(f"question {i}") for i in range(10)]
    assert {tuple(own_system(body)) for body in asked} == {("Be brief.",)}
    assert {body["max_tokens"] for body in asked} == {1000}
    assert {body["model"] for body in asked} == {MODEL}


@there
async def test_a_conversation_reaches_the_api_as_real_turns(server: Running) -> None:
    conversation: list[anthropic.types.MessageParam] = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "four"}]},
        {"role": "user", "content": "five"},
    ]
    for _ in range(2):  # the second time on a process that has had them before
        await server.client.messages.create(model=MODEL, max_tokens=1000, messages=conversation)
    for body in server.asked():
        turns = [(m["role"], [b["text"] for b in m["content"]]) for m in body["messages"]]
        assert turns == [
            ("user", ["one"]),
            ("assistant", ["two"]),
            ("user", ["three"]),
            ("assistant", ["four"]),
            ("user", ["five"]),
        ]
    assert len(server.asked()) == 2


async def test_no_prompt_leaks_into_another(tmp_path: Path, sized: Sized) -> None:
    times = sized(15, 67)
    secrets = ["alpha-7731", "bravo-2298", "carol-5104"]

    async def client(secret: str) -> None:
        for i in range(times):
            await ask(server, f"number {i} of {secret}", system=f"The secret is {secret}.")

    async with running(tmp_path, PoolSettings(min_size=2, max_size=4)) as server:
        async with trio.open_nursery() as nursery:
            for secret in secrets:
                nursery.start_soon(client, secret)
        stats = await server.settled()
        pids = {worker.pid for worker in stats.workers}
    asked = server.asked()
    assert len(asked) == 3 * times
    for body in asked:
        text = str(body["system"]) + str(body["messages"])
        assert len([secret for secret in secrets if secret in text]) == 1
        assert len(body["messages"]) == 1
    assert stats.connections_reused >= 3 * times - 11
    assert len(pids) == stats.connections_created <= 4


@there
async def test_a_stream_comes_as_the_api_frames_it(server: Running) -> None:
    body = {
        "model": MODEL,
        "max_tokens": 1000,
        "stream": True,
        "messages": [{"role": "user", "content": '[[standin text="one two three"]]'}],
    }
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{server.url}/v1/messages", json=body)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"].startswith("req_")
    events = response.text.split("\n\n")
    assert events.pop() == ""
    names = []
    for event in events:
        name, data = event.split("\n")
        kind = name.removeprefix("event: ")
        assert data.startswith('data: {"type":"' + kind + '"')
        names.append(kind)
    assert names == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@there
async def test_streams_and_whole_answers_agree(server: Running) -> None:
    question: list[anthropic.types.MessageParam] = [{"role": "user", "content": "agree?"}]
    client = server.client
    whole = await client.messages.create(model=MODEL, max_tokens=1000, messages=question)
    stream = client.messages.stream(model=MODEL, max_tokens=1000, messages=question)
    async with stream as events:
        streamed = await events.get_final_message()
    assert (streamed.role, streamed.model) == (whole.role, whole.model)
    assert streamed.stop_reason == whole.stop_reason == "end_turn"
    assert streamed.content[0].to_dict() == whole.content[0].to_dict()
    assert streamed.usage.output_tokens == whole.usage.output_tokens > 10
    assert streamed.id != whole.id


@there
async def test_events_come_as_they_are_made(server: Running) -> None:
    times: list[float] = []
    async with server.client.messages.stream(
        model=MODEL,
        max_tokens=1000,
        messages=[{"role": "user", "content": "[[standin words=10 rate=20]]"}],
    ) as stream:
        times.extend([trio.current_time() async for _ in stream.text_stream])
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 10
    assert times[-1] - times[0] > 0.3  # not all at the end
    assert max(gaps) < 0.3


async def test_a_client_that_leaves_gives_its_process_back(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await ask(server, "warm up")
        (before,) = (await server.settled()).workers
        async with server.client.messages.stream(
            model=MODEL,
            max_tokens=1000,
            system="Be brief.",
            messages=[{"role": "user", "content": "[[standin words=500 rate=20]]"}],
        ) as stream:
            async for _ in stream.text_stream:
                break
        left = trio.current_time()
        stats = await server.settled()
        assert trio.current_time() - left < 1
        assert server.standin.open_streams == 0
        await ask(server, "and now?")
        (after,) = server.stats.workers
    assert after.pid == before.pid
    assert stats.retirements == {}
    assert server.asked()[-1]["messages"] == sent("and now?")


async def test_clients_that_leave_at_random_moments_leave_nothing_behind(
    tmp_path: Path, sized: Sized
) -> None:
    moments = random.Random(7)
    async with running(tmp_path, PoolSettings(min_size=2, max_size=2)) as server:
        for i in range(sized(15, 40)):
            with trio.move_on_after(moments.uniform(0, 0.08)):
                await ask(server, f"[[standin words=20 rate=500]] {i}")
        stats = await server.settled()
        assert stats.available_connections == 2
        await ask(server, "clean?")
    assert server.asked()[-1]["messages"] == sent("clean?")
    assert stats.connections_created <= 4  # nearly all of them were proven clean


async def test_a_process_killed_mid_answer_is_told_and_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        events = []
        async with (
            httpx.AsyncClient() as http,
            http.stream(
                "POST",
                f"{server.url}/v1/messages",
                json={
                    "model": MODEL,
                    "max_tokens": 1000,
                    "stream": True,
                    "messages": [{"role": "user", "content": "[[standin words=500 rate=50]]"}],
                },
            ) as response,
        ):
            async for line in response.aiter_lines():
                events.append(line)
                if line == "event: content_block_delta" and events.count(line) == 3:
                    (worker,) = server.stats.workers
                    assert worker.pid is not None
                    os.kill(worker.pid, signal.SIGKILL)
        assert events[-3] == "event: error"
        assert '"type":"api_error"' in events[-2]
        assert "event: message_stop" not in events
        assert (await ask(server, "still there?")).endswith("still there?")
        (replaced,) = server.stats.workers
    assert replaced.pid != worker.pid


@there
async def test_an_answer_that_is_cut_at_max_tokens_ends_there(server: Running) -> None:
    question: list[anthropic.types.MessageParam] = [
        {"role": "user", "content": "[[standin words=9]]"}
    ]
    before = await server.uses()
    for _ in range(5):
        whole = await server.client.messages.create(
            model=MODEL, max_tokens=3, system="Be brief.", messages=question
        )
        assert whole.stop_reason == "max_tokens"
        assert [block.to_dict() for block in whole.content] == [
            {"type": "text", "text": "w0 w1 w2 "}
        ]
    await ask(server, "clean?")
    assert server.asked()[-1]["messages"] == sent("clean?")
    assert (await server.uses() - before).total() == 6


async def test_a_busy_pool_says_so_after_acquire_timeout(tmp_path: Path) -> None:
    pool = PoolSettings(min_size=1, max_size=1, acquire_timeout=0.5)
    async with running(tmp_path, pool) as server:
        async with server.client.messages.stream(
            model=MODEL,
            max_tokens=1000,
            messages=[{"role": "user", "content": "[[standin words=500 rate=50]]"}],
        ) as stream:
            async for _ in stream.text_stream:
                break
            start = trio.current_time()
            with pytest.raises(anthropic.APIStatusError) as caught:
                await ask(server, "me too")
            assert 0.5 <= trio.current_time() - start < 1.5
        assert caught.value.status_code == 503
        assert caught.value.response.headers["retry-after"] == "1"
        error = caught.value.response.json()
        assert error["error"]["type"] == "overloaded_error"
        assert error["request_id"] == caught.value.response.headers["request-id"]
        assert server.stats.acquire_timeouts == 1


@pytest.mark.parametrize("directive", ["fail_after=3", "drop_after=3"])
@there
async def test_a_stream_that_breaks_upstream_ends_in_an_error(
    server: Running, directive: str
) -> None:
    body = {
        "model": MODEL,
        "max_tokens": 1000,
        "stream": True,
        "messages": [{"role": "user", "content": f"[[standin words=9 rate=20 {directive}]]"}],
    }
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{server.url}/v1/messages", json=body)
        assert 1 <= response.text.count("event: content_block_delta") <= 3
        assert "event: message_stop" not in response.text
        assert "event: error" in response.text.split("\n\n")[-2]
        assert len(server.asked()) == 1  # asked once, not again behind the caller's back
        await ask(server, "clean?")


@there
async def test_a_prompt_in_blocks_is_one_text(server: Running) -> None:
    await server.client.messages.create(
        model=MODEL,
        max_tokens=1000,
        system=[{"type": "text", "text": "First."}, {"type": "text", "text": "Second."}],
        messages=[{"role": "user", "content": "hello"}],
    )
    await server.client.messages.create(
        model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "no prompt"}]
    )
    first, second = server.asked()
    assert own_system(first) == ["First.\n\nSecond."]
    assert own_system(second) == []


MODELS = ["claude-of-tomorrow", "claude-haiku-4-5-20251001", "claude-opus-4-5"]


@there
async def test_a_large_max_tokens_is_sent_as_it_is(server: Running) -> None:
    for max_tokens in (100_000, 1000):
        async with server.client.messages.stream(
            model=MODEL, max_tokens=max_tokens, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            await stream.until_done()
    assert [body["max_tokens"] for body in server.asked()] == [100_000, 1000]


@there
async def test_an_unlisted_model_costs_no_call_of_its_own(server: Running) -> None:
    for model in MODELS:
        await server.client.messages.create(
            model=model, max_tokens=1000, messages=[{"role": "user", "content": "hello"}]
        )
    assert [body["model"] for body in server.asked()] == MODELS


@there
async def test_bad_input_takes_no_worker(server: Running) -> None:
    bodies: list[tuple[bytes, str]] = [
        (b"{", "not JSON"),
        (b'{"model":"m","max_tokens":1}', "messages: Field required"),
        (
            b'{"model":"m","max_tokens":1,"messages":[{"role":"wizard","content":"x"}]}',
            'messages.0.role: must be "user", "assistant" or "system", not "wizard"',
        ),
        (
            b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":"x"}]}',
            'messages.0.role: the first message must have the role "user"',
        ),
    ]
    before = await server.uses()
    async with httpx.AsyncClient() as http:
        for body, reason in bodies:
            response = await http.post(f"{server.url}/v1/messages", content=body)
            assert response.status_code == 400
            assert response.json()["type"] == "error"
            assert response.json()["error"]["type"] == "invalid_request_error"
            assert reason in response.json()["error"]["message"]
    assert await server.uses() == before
    assert server.asked() == []
