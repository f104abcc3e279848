"""`trioproxy serve`, and how it stops: what runs is ended, and nothing is left."""

import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, field

from tests.real.test_server import ONE, free_port, gone_within, is_alive, request
from trioproxy.serving import check_free
from trioproxy.settings import SettingsError

pytestmark = pytest.mark.real

SERVE = "from trioproxy.cli import main; main()"
SLOW = "[[standin words=30 rate=20]]"  # a second and a half


@define(eq=False)
class Served:
    """A `trioproxy serve` that runs."""

    process: trio.Process
    url: str
    http: httpx.AsyncClient
    log: Path
    ended: list[str] = field(factory=list)

    async def stream(self, text: str = SLOW) -> None:
        """Ask for a stream; notes how it ended."""
        async with self.http.stream(
            "POST", self.url + "/v1/messages", json=request(text, stream=True)
        ) as answer:
            got = b"".join([chunk async for chunk in answer.aiter_raw()])
        self.ended.append(got.decode().rstrip().split("event: ")[-1].split("\n")[0])

    async def wait_running(self, count: int) -> None:
        with trio.fail_after(20):
            while True:
                running = (await self.http.get(self.url + "/status")).json()["running"]
                streams = [record for record in running if record["route"] == "/v1/messages"]
                if len([stream for stream in streams if stream["stage"] == "streaming"]) >= count:
                    return
                await trio.sleep(0.02)

    async def readiness(self) -> str:
        answer = await self.http.get(self.url + "/health/ready")
        assert answer.is_success == (answer.json()["status"] == "ok")
        status: str = answer.json()["status"]
        return status

    def children(self) -> list[int]:
        """The pids of all below it."""
        found, todo = [], [self.process.pid]
        while todo:
            parent = todo.pop()
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                below = [int(pid) for pid in task.read_text().split()]
                found += below
                todo += below
        return found


@asynccontextmanager
async def served(tmp_path: Path, *options: str, **env: str) -> AsyncGenerator[Served]:
    port = await free_port()
    log = tmp_path / "log"
    command = [sys.executable, "-c", SERVE, "serve", "--offline", "--port", str(port), *options]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ONE, **env}
    with log.open("wb") as file:
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, check=False, cwd=tmp_path, env=environment)
            process: trio.Process = await nursery.start(partial(run, command, stderr=file))
            async with httpx.AsyncClient(timeout=30) as http:
                server = Served(process, f"http://127.0.0.1:{port}", http, log)
                with trio.fail_after(60):
                    while process.returncode is None:
                        try:
                            await http.get(server.url + "/health/live")
                            break
                        except httpx.TransportError:
                            await trio.sleep(0.05)
                yield server
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_runs_is_ended_whole_and_nothing_new_is_taken(
    tmp_path: Path, number: signal.Signals
) -> None:
    env = {"POOL_SETTINGS__MIN_SIZE": "2", "POOL_SETTINGS__MAX_SIZE": "2"}
    async with served(tmp_path, **env) as server, trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(server.stream)
        await server.wait_running(2)
        below = server.children()
        server.process.send_signal(number)
        with trio.fail_after(5):
            while (await server.readiness()) == "ok":  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.01)
        assert await server.readiness() == "stopping"
        refused = await server.http.post(
            server.url + "/v1/messages", json=request("no", stream=False)
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        with trio.fail_after(15):
            assert await server.process.wait() == 0
    assert server.ended == ["message_stop"] * 2
    assert await gone_within(1, below)
    log = server.log.read_text()
    assert "[SHUTDOWN] Taking nothing new; 2 requests are running" in log
    assert "[SHUTDOWN] Claude connection pool shut down successfully" in log
    assert "Traceback" not in log


async def test_what_does_not_end_in_time_is_told(tmp_path: Path) -> None:
    env = {"POOL_SETTINGS__DRAIN_TIMEOUT": "0.3", "POOL_SETTINGS__MIN_SIZE": "2"}
    async with served(tmp_path, **env) as server, trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(server.stream, "[[standin words=400 rate=20]]")
        await server.wait_running(2)
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(15):
            assert await server.process.wait() == 0
    assert server.ended == ["error"] * 2
    assert "2 requests did not end in time" in server.log.read_text()


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as server, trio.open_nursery() as nursery:
        nursery.start_soon(ignoring, server.stream("[[standin words=400 rate=20]]"))
        await server.wait_running(1)
        below = server.children()
        server.process.send_signal(signal.SIGTERM)
        await trio.sleep(0.3)
        assert is_alive(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(2):
            assert await server.process.wait() == 128 + signal.SIGTERM
    assert await gone_within(2, below)


async def ignoring(awaitable: Awaitable[None]) -> None:
    with suppress(httpx.TransportError):
        await awaitable


async def test_another_address_wants_a_token_or_to_be_told_twice(tmp_path: Path) -> None:
    async def status(*options: str, **env: str) -> tuple[int | None, str]:
        command = [sys.executable, "-c", SERVE, "serve", "--offline", *options]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env}
        with trio.fail_after(20):
            done = await trio.run_process(
                command, check=False, cwd=tmp_path, env=environment, capture_stderr=True
            )
        return done.returncode, done.stderr.decode()

    code, body = await status("--host", "0.0.0.0")
    assert code == 2
    assert "AUTH_TOKEN" in body
    assert "--expose" in body
    assert "Traceback" not in body


@pytest.mark.parametrize("host", ["nosuch.invalid", "127.0.0.1:5", "unix:/tmp/x", ""])
def test_where_nothing_can_listen(host: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        check_free(host, 8000)


async def test_a_port_that_is_taken_is_told_before_anything_is_started() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        with pytest.raises(SettingsError, match="Address already in use"):
            check_free("127.0.0.1", listener.socket.getsockname()[1])


async def test_two_workers_have_a_pool_each(tmp_path: Path) -> None:
    async with served(tmp_path, "--workers", "2") as server:
        pids: set[int] = set()
        with trio.fail_after(20):
            while len(pids) < 2:
                async with httpx.AsyncClient() as http:
                    with trio.move_on_after(2):
                        pids.add((await http.get(server.url + "/pool/stats")).json()["pid"])
        assert "2 workers, each with its own pool: 2 to 20 processes" in server.log.read_text()
        below = server.children()
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(15):
            await server.process.wait()
    assert await gone_within(2, below)
