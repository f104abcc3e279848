"""Servers as a user starts them: programs, whose processes are watched."""

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from tests.ports import reserved_port
from tests.real.servers import MODEL

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
    with reserved_port() as port:
        log = tmp_path / "log"
        command = [
            sys.executable,
            "-c",
            SERVE,
            "serve",
            "--offline",
            "--port",
            str(port),
            *options,
        ]
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


async def ignoring(awaitable: Awaitable[None]) -> None:
    with suppress(httpx.TransportError):
        await awaitable


OFFLINE = {"CLAUDE__OFFLINE": "true"}


ONE = {"POOL_SETTINGS__MIN_SIZE": "1", "POOL_SETTINGS__BINDING": "any"}


NO_PROCESS = {
    "POOL_SETTINGS__MIN_SIZE": "0",
    "POOL_SETTINGS__BINDING": "any",
    "POOL_SETTINGS__WARMUP_ON_STARTUP": "false",
}


@frozen
class Hypercorn:
    """A server in processes of its own."""

    process: trio.Process
    url: str

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient() as http:
            return (await http.get(self.url + path)).json()

    async def pids(self) -> list[int]:
        """The CLI processes that it has."""
        stats = (await self.get("/pool/stats"))["stats"]
        return [worker["pid"] for worker in stats["workers"]]

    def workers(self) -> list[int]:
        """The processes that Hypercorn has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [
            pid
            for pid in map(int, children.read_text().split())
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]


def command(port: int) -> list[str]:
    module = [sys.executable, "-m", "hypercorn"]
    return [*module, "trioproxy.app:app", "--worker-class=trio", f"--bind=127.0.0.1:{port}"]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **extra}


@asynccontextmanager
async def hypercorn(tmp_path: Path, **env: str) -> AsyncGenerator[Hypercorn]:
    with reserved_port() as port:
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    command(port),
                    check=False,
                    cwd=tmp_path,
                    env=environment(OFFLINE | ONE | env),
                )
            )
            server = Hypercorn(process, f"http://127.0.0.1:{port}")
            with trio.fail_after(60):
                while process.returncode is None:
                    try:
                        await server.get("/health")
                    except httpx.TransportError:
                        await trio.sleep(0.05)
                    else:
                        break
            yield server
            nursery.cancel_scope.cancel()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def gone_within(seconds: float, pids: list[int]) -> bool:
    with trio.move_on_after(seconds):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - the kernel tells only a parent
            await trio.sleep(0.01)
    return not any(map(is_alive, pids))


def request(text: str, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": 1000, "stream": stream, "messages": messages}
