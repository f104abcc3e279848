"""`trioproxy serve`, and how it stops: what runs is ended, and nothing is left."""

import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
import trio

from tests.real.programs import (
    SERVE,
    gone_within,
    ignoring,
    is_alive,
    request,
    served,
)
from trioproxy.serving import check_free
from trioproxy.settings import SettingsError

pytestmark = pytest.mark.real


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stop_completes_running_answers_and_takes_nothing_new(
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


async def test_drain_timeout_fails_what_does_not_end_in_time(tmp_path: Path) -> None:
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


async def test_stop_by_a_second_signal_is_at_once(tmp_path: Path) -> None:
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


async def test_host_of_another_address_requires_a_token_or_expose(tmp_path: Path) -> None:
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
def test_host_where_nothing_can_listen(host: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        check_free(host, 8000)


async def test_port_that_is_taken_is_an_error_before_anything_starts() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        with pytest.raises(SettingsError, match="Address already in use"):
            check_free("127.0.0.1", listener.socket.getsockname()[1])


async def test_workers_have_a_pool_each(tmp_path: Path) -> None:
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
