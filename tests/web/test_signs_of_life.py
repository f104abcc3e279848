"""A stream that shows nothing has its pings, in every dialect and to the second."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import frozen

from tests.fakes import (
    AnswersLate,
    DiesUnseen,
    FailsLate,
    FakeCLI,
    FakeProcess,
    Kind,
    ThinksUnseen,
)
from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.forward.client import open_forward_client
from trioproxy.pool.pool import open_pool
from trioproxy.settings import HttpPoolSettings, PoolSettings, ServerSettings
from trioproxy.web.app import WebConfig, create_web
from trioproxy.web.gate.middleware import RequestMiddleware

HI = {"model": "claude-test", "stream": True}
CHAT: dict[str, Any] = {**HI, "messages": [{"role": "user", "content": "hello"}]}
ASKED: dict[str, dict[str, Any]] = {
    "/v1/messages": {**CHAT, "max_tokens": 100},
    "/v1/chat/completions": CHAT,
    "/v1/responses": {**HI, "input": "hello"},
}
each_dialect = pytest.mark.parametrize("path", ASKED)


@frozen
class Response:
    """What a client was sent, and when, in seconds after its request."""

    status: int
    chunks: list[tuple[float, str]]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.chunks)

    def times(self, sent: str) -> list[float]:
        """When something that holds `sent` came."""
        return [at for at, text in self.chunks if sent in text]

    def events(self) -> list[dict[str, Any]]:
        """The events of a response, or the chunks of a chat; their order is checked."""
        data = [line[6:] for line in self.text.splitlines() if line.startswith("data: {")]
        found: list[dict[str, Any]] = [json.loads(item) for item in data]
        numbers = [result["sequence_number"] for result in found if "sequence_number" in result]
        assert numbers == list(range(len(numbers)))
        return found


@frozen
class Client:
    """Asks a server that has been up for a while."""

    web: RequestMiddleware

    async def ask(self, path: str) -> Response:
        body = json.dumps(ASKED[path]).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        begin = trio.current_time()
        chunks: list[tuple[float, str]] = []
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await trio.sleep_forever()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:  # noqa: ASYNC124 - ASGI
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            elif message["body"]:
                chunks.append((trio.current_time() - begin, message["body"].decode()))

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "extensions": {},
            "asgi": {"version": "3.0", "spec_version": "2.1"},
        }
        await self.web(scope, receive, send)
        (status,) = statuses
        return Response(status, chunks)


@asynccontextmanager
async def serving(
    kind: Kind,
    *planned: Kind,
    ping_interval: float = 1.0,
    status_timeout: float = 2.0,
    **pool: Any,
) -> AsyncGenerator[Client]:
    """A server whose CLI processes are of this kind, the first ones as planned."""
    cli = FakeCLI(kind, [*planned])
    settings = PoolSettings(**{"min_size": 1, "max_size": 1, **pool})
    server = ServerSettings(ping_interval=ping_interval, status_timeout=status_timeout)
    async with (
        open_forward_client({}, HttpPoolSettings()) as client,
        open_watcher(60.0) as watcher,
        open_pool(settings, cli, max_line_size=1_000_000) as opened,
    ):
        yield Client(create_web(opened, client, watcher, WebConfig(server=server)))


SIGNS = {
    "/v1/messages": "event: ping\n",
    "/v1/chat/completions": ": ping\n\n",
    "/v1/responses": "event: response.in_progress\n",
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_ping_interval_is_not_put_off_by_hidden_thoughts(
    autojump_clock: trio.testing.MockClock, path: str
) -> None:
    async with serving(ThinksUnseen) as client:
        response = await client.ask(path)
    assert response.status == 200
    pings = [at for at in response.times(SIGNS[path]) if at > 0]  # a response begins with one
    assert pings == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8])
    assert response.times("yes")[0] == pytest.approx(8)


async def test_a_sign_of_life_tells_a_response_as_it_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with serving(ThinksUnseen) as client:
        thinking = (await client.ask("/v1/responses")).events()
    async with serving(lambda pid: FakeProcess(pid, answer=6.0)) as client:
        talking = (await client.ask("/v1/responses")).events()
    kind = "response.in_progress"
    _, *thoughts = (item["response"] for item in thinking if item["type"] == kind)
    assert [thought["output"][0]["type"] for thought in thoughts] == ["reasoning"] * 8
    _, *words = (item["response"] for item in talking if item["type"] == kind)
    texts = [word["output"][0]["content"][0]["text"] for word in words]
    assert texts == ["", "w0 ", "w0 w1 ", "w0 w1 w2 "]
    assert {word["output"][0]["status"] for word in words} == {"in_progress"}


async def test_thoughts_that_are_shown_need_no_ping(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with serving(ThinksUnseen) as client:
        response = await client.ask("/v1/messages")
    assert response.times(SIGNS["/v1/messages"]) == []
    assert len(response.times("thinking_delta")) == 16


@each_dialect
async def test_status_timeout_begins_a_stream_with_a_ping(
    autojump_clock: trio.testing.MockClock, path: str
) -> None:
    async with serving(AnswersLate) as client:
        response = await client.ask(path)
    assert response.status == 200
    assert response.times(SIGNS[path])[:3] == pytest.approx([2, 3, 4])
    assert response.times("w3")[0] == pytest.approx(6)
    if path == "/v1/responses":
        kinds = [event["type"] for event in response.events()]
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert (kinds.count("response.created"), kinds[-1]) == (1, "response.completed")
        ids = {item["response"]["id"] for item in response.events() if "response" in item}
        assert len(ids) == 1


@each_dialect
async def test_status_timeout_0_waits_for_a_status(
    autojump_clock: trio.testing.MockClock, path: str
) -> None:
    async with serving(AnswersLate, status_timeout=0) as client:
        response = await client.ask(path)
    assert response.chunks[0][0] == pytest.approx(5)
    async with serving(FailsLate, status_timeout=0) as client:
        response = await client.ask(path)
    assert response.status == 529


@each_dialect
async def test_what_fails_late_is_told_in_the_stream(
    autojump_clock: trio.testing.MockClock, path: str
) -> None:
    async with serving(FailsLate, status_timeout=5.5) as client:
        assert (await client.ask(path)).status == 529
    async with serving(FailsLate) as client:
        response = await client.ask(path)
    assert response.status == 200
    assert response.times(SIGNS[path])[:3] == pytest.approx([2, 3, 4])
    at, output = response.chunks[-1]
    assert at == pytest.approx(5, abs=0.3)  # its own words are waited for
    if path == "/v1/messages":
        assert '"type":"overloaded_error","message":"Overloaded"' in output
    elif path == "/v1/chat/completions":
        assert json.loads(output.removeprefix("data: "))["error"]["code"] == "overloaded"
    else:
        error, failed = response.events()[-2:]
        assert error.items() >= {"type": "error", "code": "overloaded", "param": None}.items()
        assert error["message"] == "Overloaded"
        assert failed["type"] == "response.failed"
        assert failed["response"]["error"]["code"] == "overloaded"


async def test_a_request_that_is_given_back_waits_no_longer_than_it_may(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Pings go out meanwhile: each ends a wait in line, which goes on where it was."""
    slow = {"acquire_timeout": 5.0, "boot_timeout": 30.0}

    def never_again(pid: int) -> AnswersLate:
        return AnswersLate(pid, boot=20.0)

    async with serving(never_again, DiesUnseen, status_timeout=2.0, **slow) as client:
        response = await client.ask("/v1/messages")
    assert response.times(SIGNS["/v1/messages"]) == pytest.approx([2, 3, 4, 5], abs=0.6)
    assert "were busy for 5 s" in response.chunks[-1][1]
    assert response.chunks[-1][0] == pytest.approx(5, abs=0.6)


async def test_a_request_in_line_keeps_a_status_of_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with serving(AnswersLate, acquire_timeout=3.0) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.ask, "/v1/messages")
        await trio.testing.wait_all_tasks_blocked()
        response = await client.ask("/v1/messages")
    assert response.status == 503
    assert response.chunks[-1][0] == pytest.approx(3)
