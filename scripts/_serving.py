"""Servers that a script runs for itself, and what it asks of a server.

    async with own_server({"CLAUDE__OFFLINE": "true"}) as server:
        async with open_caller(server.url) as caller:
            reply = await caller.ask("Hello.")

A server of one's own runs in a session of its own: Ctrl-C reaches the script alone, which then
stops the server as an operator would, and sees what it says at its end.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import trio
from _ports import reserved_port
from attrs import define, field, frozen

Show = Callable[[str], None]

KNOWN = {"POOL_SETTINGS__BINDING": "any"}
"""The CLI is not to be tried: the first processes would be replaced once it is known."""

_ROOT = Path(__file__).resolve().parent.parent
_MODEL = "claude-haiku-4-5"

_START = 60.0  # seconds; a busy machine takes its time
_STOP = 20.0
_ANSWER = 120.0
_SETTLE = 15.0
_SHOWN_LINES = 30


class CannotRun(Exception):
    """The script cannot do its work. The text is for its user."""


# Asking.


@frozen
class Reply:
    """How one request went; `failure` is empty when it was answered."""

    seconds: float
    failure: str = ""


@frozen
class Caller:
    """A client of one server, with connections that it keeps."""

    _http: httpx.AsyncClient

    async def ask(self, text: str) -> Reply:
        """Send one message, and wait for the whole answer."""
        messages = [{"role": "user", "content": text}]
        body = {"model": _MODEL, "max_tokens": 300, "messages": messages}
        begun = trio.current_time()
        failure = await self._failure_of(body)
        return Reply(trio.current_time() - begun, failure)

    async def _failure_of(self, body: Mapping[str, Any]) -> str:
        try:
            response = await self._http.post("/v1/messages", json=body)
            return "" if response.is_success else _told(response)
        except httpx.HTTPError as error:
            return f"no answer: {error!r}"

    async def stats(self) -> dict[str, Any] | None:
        """What the pool counts; None when pooling is off. Raises `CannotRun`."""
        response = await self._get("/pool/stats")
        stats: dict[str, Any] | None = response.json()["stats"]
        return stats

    async def is_offline(self) -> bool:
        """Whether the server answers from its stand-in. Raises `CannotRun`."""
        return "x-trioproxy-offline" in (await self._get("/health")).headers

    async def _get(self, path: str) -> httpx.Response:
        try:
            response = await self._http.get(path)
        except httpx.HTTPError as error:
            raise CannotRun(f"{self._http.base_url} does not answer: {error!r}") from error
        if "request-id" not in response.headers or response.status_code == httpx.codes.NOT_FOUND:
            raise CannotRun(f"{self._http.base_url} answers, but it is no trioproxy.")
        return response

    async def settled(self) -> dict[str, Any] | None:
        """`stats`, once no process boots, answers or is being reset: for a while at most."""
        with trio.move_on_after(_SETTLE):
            while is_moving(await self.stats()):  # noqa: ASYNC110 - another process's pool
                await trio.sleep(0.02)
        return await self.stats()


def is_moving(stats: Mapping[str, Any] | None) -> bool:
    """Whether a pool is still at something."""
    return stats is not None and any(
        stats[key] for key in ("in_use_connections", "booting", "waiting")
    )


def _told(response: httpx.Response) -> str:
    try:
        result = response.json()["error"]
        return f"{response.status_code} {result['type']}: {result['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text:.200}"


@asynccontextmanager
async def open_caller(url: str) -> AsyncGenerator[Caller]:
    """A client, for as long as the block lasts. A proxy of the environment is not for it."""
    async with httpx.AsyncClient(base_url=url, timeout=_ANSWER, trust_env=False) as http:
        yield Caller(http)


# Serving.


@define(eq=False)
class OwnServer:
    """A server in processes of its own, and all that it has printed."""

    process: trio.Process
    url: str
    lines: list[str] = field(factory=list)
    _printed_at: float = 0.0

    async def read(self, show: Show) -> None:
        """Read what it prints to the end, and show each line as it comes."""
        assert self.process.stdout is not None
        rest = b""
        async for chunk in self.process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._printed_at = trio.current_time()
                self.lines.append(line.decode(errors="replace"))
                show(self.lines[-1])

    async def wait_quiet(self) -> None:
        """Wait until what it has printed so far has been shown."""
        quiet = 0.1
        while (wait := self._printed_at + quiet - trio.current_time()) > 0:  # noqa: ASYNC110 - time
            await trio.sleep(wait)
        await trio.sleep(quiet)

    async def wait_up(self) -> None:
        """Wait until it answers. Raises `CannotRun` with its last lines if it does not."""
        with trio.move_on_after(_START):
            if await self._comes_up():
                return
        await self.wait_quiet()
        is_there = self.process.poll() is None
        what = f"did not answer within {_START:g} s" if is_there else "ended before it answered"
        raise CannotRun(f"The server {what}. {self.printed()}")

    async def _comes_up(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            while self.process.poll() is None:
                with suppress(httpx.TransportError):
                    await http.get("/pool/stats")
                    return True
                await trio.sleep(0.05)
        return False

    def printed(self) -> str:
        """Its last lines, to be read by a person."""
        if not self.lines:
            return "It printed nothing."
        return "\n".join(["It printed:", *(f"  {line}" for line in self.lines[-_SHOWN_LINES:])])

    async def stop(self) -> None:
        """Stop it as an operator would, or else by force."""
        with trio.move_on_after(_STOP, shield=True):
            self.process.terminate()
            await self.process.wait()
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        with trio.move_on_after(_STOP, shield=True):
            await self.process.wait()


@asynccontextmanager
async def own_server(
    settings: Mapping[str, str], show: Show = lambda _line: None
) -> AsyncGenerator[OwnServer]:
    """A server on a free port of this machine that answers, for as long as the block lasts.

    It finds the environment and the ccproxy.toml that `scripts/serve` would, and `settings` on
    top. Raises `CannotRun`, in a group.
    """
    with reserved_port() as port:
        command = [
            sys.executable,
            "-m",
            "hypercorn",
            "trioproxy.app:app",
            "--worker-class",
            "trio",
        ]
        process = await trio.lowlevel.open_process(
            [*command, "--bind", f"127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
            env={**os.environ, "LOGGING__FORMAT": "text", **settings},
            start_new_session=True,
        )
        server = OwnServer(process, f"http://127.0.0.1:{port}")
        async with trio.open_nursery() as nursery:
            reading = trio.CancelScope(shield=True)  # its last lines are wanted too
            nursery.start_soon(_read, server, show, reading)
            try:
                await server.wait_up()
                yield server
            finally:
                await server.stop()  # noqa: ASYNC102 - its waits are shielded, with a deadline
                reading.deadline = trio.current_time() + 1  # by now nobody writes any more


async def _read(server: OwnServer, show: Show, scope: trio.CancelScope) -> None:
    with scope:
        await server.read(show)


# Running.


def run(main: Callable[[], Awaitable[int]]) -> int:
    """Run `main`, and return its status; 2 and the reason on standard error if it cannot run.

    A signal that would end the script ends it in order, so that no server is left behind.
    """
    status = 2
    try:
        status = trio.run(_run_until_signal, main)
    except* CannotRun as group:
        _say(*_leaves(group))
    except* BrokenPipeError:  # `... | head`
        status = 128 + signal.SIGPIPE
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


async def _run_until_signal(main: Callable[[], Awaitable[int]]) -> int:
    status = 0
    ends = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    heeded = [end for end in ends if signal.getsignal(end) is not signal.SIG_IGN]  # nohup

    async def watch() -> None:
        nonlocal status
        with trio.open_signal_receiver(*heeded) as signals:
            async for number in signals:
                status = 128 + number  # as a shell tells it
                nursery.cancel_scope.cancel(reason="a signal")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        status = await main()
        nursery.cancel_scope.cancel(reason="the script is done")
    return status


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for exception in group.exceptions
        for leaf in (
            _leaves(exception) if isinstance(exception, BaseExceptionGroup) else [exception]
        )
    ]


def _say(*errors: object) -> None:
    for error in errors:
        print(error, file=sys.stderr, flush=True)
