"""The server's own memory over many requests: everything but the CLI is real."""

import gc
import os
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.fakes import FakeCLI, Forgets
from tests.real.servers import loopback
from tests.sizing import Sized
from trioproxy.asgi_server.serve import serve
from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.forward.client import open_forward_client
from trioproxy.pool.pool import open_pool
from trioproxy.settings import HttpPoolSettings, PoolSettings
from trioproxy.web.app import WebConfig, create_web

pytestmark = pytest.mark.real

BODY = {
    "model": "claude-test",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello " * 1000}],
}


def rss() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_memory_files_and_tasks_stay_flat_over_many_requests(sized: Sized) -> None:
    cli = FakeCLI(kind=lambda pid: Forgets(pid, boot=0.0, answer=0.0))
    settings = PoolSettings(min_size=2, max_size=2, max_requests=1_000_000)
    async with (
        open_forward_client({}, HttpPoolSettings()) as client,
        open_watcher(60.0) as watcher,
        open_pool(settings, cli, max_line_size=1_000_000) as pool,
    ):
        app = create_web(pool, client, watcher, WebConfig())
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(partial(serve, app, loopback(), max_connections=100))
            async with httpx.AsyncClient(base_url=url) as http:
                await _ask(http, sized(100, 500))
                before = (rss(), len(os.listdir("/proc/self/fd")), _tasks())
                await _ask(http, sized(300, 2000))
                after = (rss(), len(os.listdir("/proc/self/fd")), _tasks())
            nursery.cancel_scope.cancel()
    assert after[0] - before[0] < 3_000_000
    assert after[1] <= before[1]  # a server that tests share may close some of its own
    assert after[2] == before[2]
    assert len(cli.launched) == 2


def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def _ask(http: httpx.AsyncClient, times: int) -> None:
    for number in range(times):
        body = BODY | {"stream": number % 2 == 0, "system": f"prompt {number % 2}"}
        assert (await http.post("/v1/messages", json=body)).status_code == 200
    await trio.sleep(0.1)
