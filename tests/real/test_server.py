"""The server as an operator runs it: `hypercorn trioproxy.app:app --worker-class trio`."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anthropic
import httpx
import orjson
import pytest
import trio
from anthropic.lib.streaming import AsyncMessageStream

from tests.ports import reserved_port
from tests.real.programs import (
    NO_PROCESS,
    Hypercorn,
    command,
    environment,
    gone_within,
    hypercorn,
    request,
)
from tests.real.servers import MODEL

pytestmark = pytest.mark.real

LONG = "[[standin words=500 rate=20]]"


async def test_offline_is_served_and_said(tmp_path: Path) -> None:
    async with hypercorn(tmp_path) as server, httpx.AsyncClient() as http:
        response = await http.post(f"{server.url}/v1/messages", json=request("hi", stream=False))
        assert response.status_code == 200
        assert response.headers["x-trioproxy-offline"] == "true"
        assert response.json()["content"][0]["text"].endswith("hi")
        health = await server.get("/health")
        assert health["status"] == "ok"


@asynccontextmanager
async def streaming(server: Hypercorn) -> AsyncGenerator[AsyncMessageStream[None]]:
    """The official client, in the middle of a long answer."""
    client = anthropic.AsyncAnthropic(base_url=server.url, api_key="any", max_retries=0)
    async with (
        client,
        client.messages.stream(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": LONG}]
        ) as stream,
    ):
        await anext(stream.text_stream)
        yield stream


@pytest.mark.parametrize("victim", ["parent", "worker"])
async def test_kill_in_mid_answer_leaves_no_process(tmp_path: Path, victim: str) -> None:
    async with hypercorn(tmp_path) as server, streaming(server):
        pids = await server.pids()
        (worker,) = server.workers()
        os.kill(server.process.pid if victim == "parent" else worker, signal.SIGKILL)
        assert await gone_within(1, pids)
        assert await gone_within(5, [worker])


def raw_request(server: Hypercorn, text: str, *, extra: bytes = b"") -> bytes:
    body = orjson.dumps(request(text, stream=True)) + extra
    length = len(body) - len(extra)
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


async def connect(server: Hypercorn, *, receive_buffer: int = 0) -> trio.SocketStream:
    sock = trio.socket.socket()
    if receive_buffer:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return trio.SocketStream(sock)


async def states(server: Hypercorn) -> set[str]:
    return {worker["state"] for worker in (await server.get("/pool/stats"))["stats"]["workers"]}


async def test_stop_in_mid_answer_is_an_error_event_and_leaves_no_process(tmp_path: Path) -> None:
    env = {"POOL_SETTINGS__MIN_SIZE": "2"}  # the other is idle
    async with hypercorn(tmp_path, **env) as server, await connect(server) as stream:
        await stream.send_all(raw_request(server, LONG))
        heard = bytes(await stream.receive_some())
        pids = await server.pids()
        assert len(pids) == 2
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(10):
            async for chunk in stream:
                heard += chunk
            assert await server.process.wait() == 0
        assert await gone_within(1, pids)
    assert heard.endswith(b"\r\n0\r\n\r\n")  # a stream that is whole, and ends in an error
    last = heard.split(b"event: ")[-1]
    assert last.startswith(b"error\n")
    assert b"The server is stopping." in last


async def does_not_read(server: Hypercorn) -> trio.SocketStream:
    stream = await connect(server, receive_buffer=2048)
    await stream.send_all(raw_request(server, "[[standin words=60000]]"))
    await trio.sleep(1)
    return stream


async def test_stop_does_not_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    async with hypercorn(tmp_path) as server, await does_not_read(server):
        pids = await server.pids()
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(12):
            assert await server.process.wait() == 0
        assert await gone_within(1, pids)


async def test_send_timeout_frees_the_process_of_a_client_that_does_not_read(
    tmp_path: Path,
) -> None:
    env = {"SERVER__SEND_TIMEOUT": "2"}
    async with hypercorn(tmp_path, **env) as server, await does_not_read(server):
        assert "busy" in await states(server)
        with trio.fail_after(5):
            while "busy" in await states(server):  # noqa: ASYNC110 - the server tells only this
                await trio.sleep(0.05)


EXTRAS = [b"", b"\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"]


async def test_disconnect_is_noticed_whatever_the_client_sent(tmp_path: Path) -> None:
    async with hypercorn(tmp_path) as server:
        for extra in EXTRAS:
            async with await connect(server) as stream:
                await stream.send_all(raw_request(server, "[[standin hang]]", extra=extra))
                await trio.sleep(0.5)
                assert "busy" in await states(server), extra
            with trio.fail_after(2):
                while "busy" in await states(server):  # noqa: ASYNC110 - the server tells only this
                    await trio.sleep(0.05)


KEPT = ("1.1", "X: y")
CLOSED = [("1.0", "X: y"), ("1.1", "Connection: close")]


async def test_connections_are_closed_when_they_should_be(tmp_path: Path) -> None:
    async with hypercorn(tmp_path, **NO_PROCESS) as server:
        for version, header in (*CLOSED, KEPT):
            async with await connect(server) as stream:
                head = f"GET /health HTTP/{version}\r\nHost: localhost\r\n{header}\r\n\r\n"
                await stream.send_all(head.encode())
                answered = b""
                start = trio.current_time()
                with trio.fail_after(10):
                    async for chunk in stream:
                        answered += chunk
                assert b'"status":"ok"' in answered
                # Hypercorn's keep_alive_timeout is 5 s.
                assert (trio.current_time() - start > 3) == ((version, header) == KEPT), header


async def refused(tmp_path: Path, **env: str) -> tuple[int, list[str]]:
    """How a server that must not start ends, and what it says."""
    with reserved_port() as port, trio.fail_after(20):
        result = await trio.run_process(
            command(port), capture_stderr=True, check=False, cwd=tmp_path, env=environment(env)
        )
    return result.returncode, result.stderr.decode().splitlines()


async def test_settings_that_are_wrong_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "ccproxy.toml").write_text(
        "[pool_settings]\nmin_size = 12\nmni_size = 1\nacquire_timeout = -1\n[claude]\nbare = 3\n"
    )
    code, lines = await refused(tmp_path, POOL_SETTINGS__MAX_SIZE="ten")
    assert code == -signal.SIGUSR1
    assert len(lines) == 4
    assert all(line.startswith("trioproxy: ") for line in lines)
    where = sorted(line.split(": ")[1:3] for line in lines)
    assert where == [
        ["ccproxy.toml", "claude.bare"],
        ["ccproxy.toml", "pool_settings.acquire_timeout"],
        ["ccproxy.toml", "pool_settings.mni_size"],
        ["environment", "POOL_SETTINGS__MAX_SIZE"],
    ]


@pytest.mark.parametrize("worker_class", ["asyncio"])
async def test_worker_class_must_be_trio(tmp_path: Path, worker_class: str) -> None:
    (tmp_path / "hypercorn.toml").write_text(f'worker_class = "{worker_class}"\n')
    without = [sys.executable, "-m", "hypercorn", "trioproxy.app:app", "--config=hypercorn.toml"]
    with reserved_port() as port, trio.fail_after(20):
        result = await trio.run_process(
            [*without, f"--bind=127.0.0.1:{port}"],
            capture_stderr=True,
            check=False,
            cwd=tmp_path,
            env=environment({}),
        )
    assert result.returncode != 0
    assert "--worker-class trio" in result.stderr.decode()
    assert "Traceback" not in result.stderr.decode()


async def test_missing_cli_stops_the_start(tmp_path: Path) -> None:
    code, lines = await refused(tmp_path, CLAUDE__CLI_PATH=str(tmp_path / "nothing"))
    assert code == -signal.SIGUSR1
    (line,) = lines
    assert str(tmp_path / "nothing") in line
    assert "cli_path" in line


async def test_max_body_size_rejects_a_longer_body(tmp_path: Path) -> None:
    async with hypercorn(tmp_path, SERVER__MAX_BODY_SIZE="1000", **NO_PROCESS) as server:
        client = anthropic.AsyncAnthropic(base_url=server.url, api_key="any", max_retries=0)
        async with client:
            for size in (2_000, 3_000_000):
                with pytest.raises(anthropic.RequestTooLargeError) as caught:
                    await client.messages.create(
                        model=MODEL,
                        max_tokens=10,
                        messages=[{"role": "user", "content": "x" * size}],
                    )
                error = caught.value.response.json()["error"]
                assert error["type"] == "request_too_large"
                assert "1000 bytes" in error["message"]
                assert (await server.get("/health"))["status"] == "ok"


async def test_unknown_routes_and_methods_are_told(tmp_path: Path) -> None:
    async with hypercorn(tmp_path, **NO_PROCESS) as server, httpx.AsyncClient() as http:
        version = {"anthropic-version": "2023-06-01"}
        missing = await http.get(f"{server.url}/v1/nothing", headers=version)
        assert missing.status_code == 404
        assert missing.json()["error"]["type"] == "not_found_error"
        assert missing.json()["request_id"] == missing.headers["request-id"]
        missing = await http.get(f"{server.url}/v1/nothing")  # an OpenAI client, for all we know
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "not_found"
        wrong = await http.get(f"{server.url}/v1/messages")
        assert wrong.status_code == 405
        assert "POST" in wrong.headers["allow"]


def test_importing_it_starts_nothing_and_reads_no_settings(tmp_path: Path) -> None:
    (tmp_path / "ccproxy.toml").write_text("not toml")
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import trioproxy.app"],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, b"")
