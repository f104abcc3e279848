"""A whole server in the test's process: the real CLI, a stand-in upstream, a socket.

The stand-in is not the server's own: the server is told of it as an operator would be told of a
gateway, by `ANTHROPIC_BASE_URL`, so what runs is what runs with an account.
"""

import os
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import trio
from attrs import evolve, frozen

from trioproxy.asgi_server.serve import Config, create_config, serve
from trioproxy.pool.stats import PoolStatistics
from trioproxy.server import Server, open_server
from trioproxy.settings import (
    AuthSettings,
    ClaudeSettings,
    CountTokensSettings,
    HttpPoolSettings,
    OpenAISettings,
    PoolSettings,
    ServerSettings,
    Settings,
)
from trioproxy.standin import Pace, StandIn, serve_standin

MODEL = "claude-haiku-4-5"

# As after `claude auth login`: an account's token, and no key.
LOGIN = {"ANTHROPIC_API_KEY": None, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy"}

NAMES = OpenAISettings(models={"gpt-4o": MODEL, "gpt-*": "claude-sonnet-4-5"})

ONE = PoolSettings(min_size=1, max_size=1)

# For tests of what needs no process.
NOT_NEEDED = evolve(ONE, min_size=0, warmup_on_startup=False)

# A process for each system prompt that is common in the tests of a shared server: none makes room.
ROOMY = PoolSettings(min_size=1, max_size=4, max_requests=100_000)


def environment(home: Path, base_url: str) -> dict[str, str]:
    """All that a process gets: nothing of the developer's own account or settings."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "dummy",
    }


@frozen
class Running:
    """A server that runs, seen from outside (`url`) and from inside."""

    url: str
    server: Server
    standin: StandIn
    client: anthropic.AsyncAnthropic  # with no retries that would hide anything

    @property
    def stats(self) -> PoolStatistics:
        return self.server.pool.statistics()

    def asked(self) -> list[dict[str, Any]]:
        """The bodies that reached the API, in order."""
        return [request.body for request in self.standin.record.messages]

    async def uses(self) -> Counter[str]:
        """How many turns each process has begun, by its id, when none is answering."""
        stats = await self.settled()
        return Counter({worker.id: worker.uses for worker in stats.workers if worker.uses})

    async def settled(self) -> PoolStatistics:
        """Wait until no process is answering or being reset."""
        with trio.fail_after(5):
            while self.stats.in_use_connections or self.stats.booting:  # noqa: ASYNC110 - no event
                await trio.sleep(0.005)
        return self.stats


@asynccontextmanager
async def running(
    tmp_path: Path,
    pool: PoolSettings = ONE,
    *,
    server: ServerSettings | None = None,
    claude: ClaudeSettings | None = None,
    openai: OpenAISettings | None = None,
    auth: AuthSettings | None = None,
    http_pool: HttpPoolSettings | None = None,
    count_tokens: bool = False,
    counting: CountTokensSettings | None = None,
    pace: Pace | None = None,
    environ: Mapping[str, str | None] | None = None,
    is_tried: bool = False,
) -> AsyncGenerator[Running]:
    """Serve on a free port for as long as the block lasts.

    `count_tokens`: by the stand-in; `counting`: by whatever these settings say.
    `is_tried`: whether the CLI is tried at the start.
    `environ` is added to the environment, and takes away what is None.
    """
    standin = StandIn(pace=pace or Pace())
    async with trio.open_nursery() as nursery:
        base_url: str = await nursery.start(serve_standin, standin)
        has_own_tools = claude is not None and bool(claude.tools or claude.mcp_config)
        if pool.binding == "auto" and not has_own_tools and not is_tried:
            pool = evolve(pool, binding="any")  # without a trial: test_conformance.py has it
        settings = Settings(
            pool_settings=pool,
            server=server or ServerSettings(),
            claude=claude or ClaudeSettings(),
            openai=openai or OpenAISettings(),
            auth=auth or AuthSettings(),
            http_pool=http_pool or HttpPoolSettings(),
            count_tokens=counting
            or CountTokensSettings(api_key="counting" if count_tokens else "", base_url=base_url),
        )
        merged = {**environment(tmp_path, base_url), **(environ or {})}
        kept = {name: value for name, value in merged.items() if value is not None}
        async with open_server(settings, kept) as opened:
            limit = settings.server.max_connections
            http = partial(serve, opened.web, loopback(), max_connections=limit)
            urls: list[str] = await nursery.start(http)
            official = anthropic.AsyncAnthropic(base_url=urls[0], api_key="any", max_retries=0)
            async with official as client:
                yield Running(urls[0], opened, standin, client)
        nursery.cancel_scope.cancel()


def loopback() -> Config:
    """A free port of this machine, and no log of Hypercorn's."""
    config = create_config("127.0.0.1", 0)
    config.errorlog = None
    return config
