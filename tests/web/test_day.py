"""Long runs and full houses, with the CLI in memory: the whole web stack above it is real."""

import gc
import os
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.fakes import FakeCLI, FakeProcess, Forgets
from tests.real.servers import loopback
from tests.sizing import Sized
from trioproxy.asgi_server.serve import serve
from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.forward.client import open_forward_client
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.workers import SOON
from trioproxy.serving import Stop
from trioproxy.settings import HttpPoolSettings, LoggingSettings, PoolSettings
from trioproxy.web.app import WebConfig, create_web
from trioproxy.web.gate.middleware import RequestMiddleware

pytestmark = pytest.mark.real

BODY = b'{"model":"claude-test","max_tokens":100,"messages":[{"role":"user","content":"hello"}]%s}'


async def ask(web: RequestMiddleware, body: bytes) -> int:
    """One request, as Hypercorn would hand it on; its status."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await trio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:  # noqa: ASYNC124 - ASGI
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/messages",
        "raw_path": b"/v1/messages",
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
    await web(scope, receive, send)
    return statuses[0]


async def settled(pool: Pool) -> tuple[int, int, int]:
    """Bytes, open files and tasks, when nothing runs and no process is being replaced."""
    with trio.fail_after(10):
        while not _is_quiet(pool):  # noqa: ASYNC110 - there is no event
            await trio.sleep(0.01)
    # Longer than the pool's own timers, one for each turn that has waited for a reset.
    await trio.testing.wait_all_tasks_blocked(2 * SOON)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    tasks = trio.lowlevel.current_statistics().tasks_living
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), tasks


def _is_quiet(pool: Pool) -> bool:
    stats = pool.statistics()
    return stats.available_connections == stats.total_connections == 4  # none is on its way out


async def test_a_day_in_a_minute(sized: Sized) -> None:
    """Whole, streamed and bad requests, on processes that are replaced meanwhile."""
    requests = sized(800, 20_000)
    cli = FakeCLI(kind=lambda pid: Forgets(pid, boot=0.0, answer=0.0))
    settings = PoolSettings(min_size=4, max_size=4, max_requests=requests // 20)
    async with (
        open_forward_client({}, HttpPoolSettings()) as client,
        open_watcher(60.0) as watcher,
        open_pool(settings, cli, max_line_size=1_000_000) as pool,
    ):
        config = WebConfig(logging=LoggingSettings(requests=False))
        web = create_web(pool, client, watcher, config)
        counts: dict[int, int] = {}

        async def caller(count: int) -> None:
            for i in range(count):
                more = (b"", b',"stream":true', b',"no":1')[i % 3]
                status = await ask(web, BODY % more)
                counts[status] = counts.get(status, 0) + 1

        async def all_callers(count: int) -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(caller, count // 4)

        gc.freeze()  # what pytest has is not to be looked at for each thousand objects of ours
        await all_callers(requests // 4)
        before = await settled(pool)
        await all_callers(requests * 3 // 4)
        after = await settled(pool)
    gc.unfreeze()
    assert sum(counts.values()) == requests
    assert set(counts) == {200, 400}
    assert after[0] - before[0] < 4_000_000
    assert after[1] <= before[1]  # a server that tests share may close some of its own
    assert after[2] == before[2]
    assert web.gate.registry.running == {}


@pytest.mark.parametrize("streams", [50])
async def test_a_drain_loses_none_of_fifty_streams(streams: int) -> None:
    # Long enough for the last stream to begin before the first ends, on a busy machine too.
    cli = FakeCLI(kind=lambda pid: FakeProcess(pid, boot=0.0, answer=3.0))
    settings = PoolSettings(min_size=streams, max_size=streams)
    ended: list[bytes] = []
    async with (
        open_forward_client({}, HttpPoolSettings()) as client,
        open_watcher(60.0) as watcher,
        open_pool(settings, cli, max_line_size=1_000_000) as pool,
        trio.open_nursery() as nursery,
    ):
        web = create_web(pool, client, watcher, WebConfig())
        stop = Stop(web.gate.drain, drain_timeout=20)
        serving = partial(
            serve, web, loopback(), max_connections=1_000, wait_stop=stop.wait_drained
        )
        (url,) = await nursery.start(serving)
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as http:

            async def stream() -> None:
                answer = await http.post("/v1/messages", content=BODY % b',"stream":true')
                ended.append(answer.content)

            async with trio.open_nursery() as callers:
                for _ in range(streams):
                    callers.start_soon(stream)
                with trio.fail_after(20):
                    await web.gate.drain.running.wait_value(streams)
                stop.begin()
                await trio.testing.wait_all_tasks_blocked()
                refused = await http.post("/v1/messages", content=BODY % b"")
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert len(ended) == streams
    assert all(b"event: message_stop" in item for item in ended)
    assert not any(b"event: error" in item for item in ended)
