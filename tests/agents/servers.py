"""The two ways to a played model: a stand-in for the API, and a server in front of it.

The stand-in runs in a thread, so that tests can wait for programs; the server is a process, with
the real CLI as its workers, told of the stand-in by `ANTHROPIC_BASE_URL` as of any gateway.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import httpx
import trio
from attrs import frozen

from tests.agents.install import ROOT
from tests.agents.recorded import Exchange, exchanges
from trioproxy.standin import RecordedRequest, StandIn, serve_standin
from trioproxy.standin.script import Script

START = 60.0  # seconds for a server to answer
STOP = 30.0  # seconds for it to end all its processes
SETTLE = 10.0  # seconds for what a client has left behind to end


@frozen
class Ways:
    """A played model, and both ways to it."""

    standin: StandIn
    straight: str
    """The base URL of the stand-in."""
    through: str
    """The base URL of the server; empty: there is none."""
    _record: Path
    log: Path
    _kept_before: list[int]

    def begin(self, script: Script) -> None:
        """From now on this model answers, and nothing is remembered of what was before."""
        self.standin.script = script
        self.standin.record.clear()
        self._record.write_bytes(b"")
        self._kept_before[:] = [self._messages_kept()]

    def kept(self) -> int:
        """How many messages stood in the server's processes already, since `begin`."""
        return self._messages_kept() - self._kept_before[0]

    def _messages_kept(self) -> int:
        if not self.through:
            return 0
        answer = httpx.get(f"{self.through}/pool/stats", timeout=START, trust_env=False)
        kept: int = answer.json()["stats"]["messages_kept"]
        return kept

    def arrived(self) -> list[RecordedRequest]:
        """What reached the API since `begin`, in order."""
        return self.standin.record.messages

    def exchanged(self) -> list[Exchange]:
        """What the server was asked since `begin`, and how it answered, once all has ended."""
        end = time.monotonic() + SETTLE
        while (found := exchanges(self._record)) is None:
            assert time.monotonic() < end, f"a request never ends; see {self.log}"
            time.sleep(0.02)
        return found


@contextmanager
def open_ways(folder: Path, *, with_server: bool) -> Iterator[Ways]:
    """Serve for as long as the block lasts; the logs are in the folder."""
    standin = StandIn()
    record, log = folder / "record.jsonl", folder / "server.log"
    record.touch()
    with ExitStack() as stack:
        straight = stack.enter_context(_standin(standin))
        through = stack.enter_context(_server(straight, record, log)) if with_server else ""
        yield Ways(standin, straight, through, record, log, [0])


@contextmanager
def _standin(standin: StandIn) -> Iterator[str]:
    started: SimpleQueue[tuple[str, trio.lowlevel.TrioToken]] = SimpleQueue()
    stop = trio.Event()

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            url: str = await nursery.start(serve_standin, standin)
            started.put((url, trio.lowlevel.current_trio_token()))
            await stop.wait()
            nursery.cancel_scope.cancel()

    thread = Thread(target=trio.run, args=(serve,), name="standin")
    thread.start()
    url, token = started.get()
    try:
        yield url
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=token)
        thread.join()


@contextmanager
def _server(upstream: str, record: Path, log: Path) -> Iterator[str]:
    home = record.parent / "server-home"
    home.mkdir()
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ANTHROPIC_BASE_URL": upstream,
        "ANTHROPIC_API_KEY": "dummy",
        "COUNT_TOKENS__API_KEY": "dummy",
        "COUNT_TOKENS__BASE_URL": upstream,
        "POOL_SETTINGS__ACQUIRE_TIMEOUT": "30",  # a busy machine boots a process slowly
        "OPENAI__WEB_SEARCH": "true",
        "OPENAI__MODELS": '{"gpt-*": "claude-sonnet-4-5"}',
        "AGENTS_RECORD": str(record),
    }
    command = [sys.executable, "-m", "hypercorn", "tests.agents.recorded:app"]
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        bind = ["--worker-class", "trio", "--bind", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [*command, *bind],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
        )
        try:
            _wait_until_healthy(url, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP)
            finally:
                process.kill()


def _wait_until_healthy(url: str, log: Path) -> None:
    """Wait for a process that can answer: on a busy machine, the first may take its time."""
    end = time.monotonic() + START
    while not httpx.get(f"{url}/health", timeout=START, trust_env=False).is_success:
        assert time.monotonic() < end, f"the server is not healthy; see {log}"
        time.sleep(0.1)
