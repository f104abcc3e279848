"""What is compared: the CLI driven by hand, and this server in one mode or another.

Each is asked by a process of its own, by the same rounds, and has the same stand-in behind it.
"""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import _memory
import trio
from _children import Child, open_child
from _serving import OwnServer, open_caller, own_server
from attrs import define, frozen
from bench.round import Round

from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import build_offline_command
from trioproxy.claude.prompts import write_plugin

_ACCOUNTS = ("ANTHROPIC_", "CLAUDE_", "CLAUDE__")
_REST = 0.1  # seconds, for what a round leaves to do

Told = dict[str, Any]
Body = dict[str, Any]


@frozen
class Field:
    """Where they meet: the API that is behind all of them, and a home that is nobody's."""

    home: str
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """Of a server: no account of its user's is to be asked."""
        accounts = {name: "" for name in os.environ if name.startswith(_ACCOUNTS)}
        own = {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "benchmark"}
        own |= {"HOME": self.home, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        return {**accounts, **own, "AUTH_TOKEN": ""}


@asynccontextmanager
async def open_field() -> AsyncGenerator[Field]:
    """A stand-in, for as long as the block lasts."""
    with TemporaryDirectory(prefix="trioproxy-bench-", ignore_cleanup_errors=True) as home:
        async with open_child("bench/standin.py") as standin:
            yield Field(home, (await standin.result())["url"])


@define(eq=False)
class Contender:
    """One of them."""

    name: str
    _child: Child

    async def round_(self, round_: Round) -> Told:
        """Have it answer. Raises `CannotRun` if its driver ends."""
        result: Told = await self._child.ask(round_.as_json())
        await trio.sleep(_REST)
        return result


@asynccontextmanager
async def open_limit(field: Field, processes: int) -> AsyncGenerator[Contender]:
    """So many Claude processes, driven by hand."""
    binary = find_binary("", {}, wheel_binary())
    plugin = Path(field.home) / "plugin"
    if not plugin.exists():
        write_plugin(plugin)
    command = build_offline_command(
        *(binary, os.environ, field.home),
        home=field.home,
        base_url=field.url,
        plugin=str(plugin),
    )
    start = {"argv": command.argv, "env": dict(command.environ)}
    cwd = Path(field.home) / "empty"
    cwd.mkdir(exist_ok=True)
    result = json.dumps({**start, "cwd": str(cwd), "processes": processes})
    async with open_child("bench/baseline.py", result) as child:
        await child.result()
        yield Contender("by hand", child)


@define(eq=False)
class Server(Contender):
    """The server that is measured. `pid`: of the process that answers."""

    own: OwnServer
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time that it has used so far."""
        # Of its threads, one of which does nearly all; in nanoseconds, where `stat` has ticks.
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def rss(self) -> int:
        """Bytes that it has in memory."""
        return _memory.resident(self.pid)

    async def settled(self) -> dict[str, Any]:
        """The pool's statistics, once nothing boots, answers or is reset."""
        async with open_caller(self.own.url) as caller:
            return await caller.settled() or {}


@asynccontextmanager
async def open_server(
    field: Field, name: str, processes: int, **settings: object
) -> AsyncGenerator[Server]:
    """A server with so many processes, as its settings are but for these of the pool."""
    # Known beforehand: else the first of them would try it, beside what is measured.
    sizes = {"min_size": processes, "max_size": processes, "binding": "any"}
    pool = {
        f"POOL_SETTINGS__{key.upper()}": str(value).lower()
        for key, value in {**sizes, **settings}.items()
    }
    async with own_server({**field.environment, **pool}) as own:
        port = own.url.rpartition(":")[2]
        async with open_child("bench/clients.py", port) as child:
            server = Server(name, child, own, _memory.biggest_child(own.process.pid))
            await server.settled()
            yield server


def check() -> str | None:
    """Why nothing can be measured here; None if it can."""
    if sys.platform != "linux":
        return "This needs Linux: what a process uses is read from /proc."
    return None


def request(text: str = "Hello.", **fields: object) -> Body:
    """A request to the Messages API."""
    messages = [{"role": "user", "content": text}]
    body = {"model": "claude-haiku-4-5", "max_tokens": 4000, "messages": messages}
    return {**body, **fields}
