"""A child process and its pipes. Nothing but this file and the guard starts processes.

The child leads a process group of its own. Leaving `open_process` ends the whole group: close
its input, then TERM, then KILL, each with a deadline and shielded from cancellation.
"""

import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from select import PIPE_BUF
from typing import Protocol, TypeAlias

import psutil
import trio
from trio_util import RepeatedEvent

from trioproxy.claude.command import Command
from trioproxy.errors import BootFailed
from trioproxy.pool.guard import Guard

_READ_SIZE = 65_536  # what a pipe holds
_STDERR_CHUNKS = 20
_STDERR_KEPT = 8_000  # bytes of each
_STEPS = 3
_SLACK = 5.0
_POLITE = 0.25  # an idle CLI ends within 35 ms of its input; a busy one would finish its answer


class Pipes(Protocol):
    """What a worker needs of its process; a fake in memory can stand in for it."""

    @property
    def pid(self) -> int:
        """The number of the process."""
        ...

    async def send_all(self, data: bytes) -> None:
        """Write everything. A broken pipe is not an error here: the next read reports the end."""
        ...

    async def receive_some(self) -> bytes:
        """One read, as large as there is; empty at the end of the output."""
        ...

    def receive_nowait(self) -> bytes | None:
        """One read of what is there; None if there is nothing."""
        ...

    def send_nowait(self, data: bytes) -> bool:
        """Write a short line at once, whole or not at all; whether it could be written."""
        ...

    def rss(self) -> int | None:
        """Resident memory in bytes; None when the process has ended."""
        ...

    async def wait_stderr_closed(self) -> None:
        """Wait for the end of stderr, which may come later than that of stdout."""
        ...

    async def wait_ended(self) -> int:
        """Wait for its end. Its return code; negative, the signal that ended it."""
        ...

    @property
    def has_stderr(self) -> bool:
        """Whether it has written to stderr since `clear_stderr`."""
        ...

    async def wait_stderr(self) -> None:
        """Wait until it writes to stderr."""
        ...

    def stderr_tail(self) -> str:
        """What it wrote to stderr since `clear_stderr`, at most 160 kB; may be empty."""
        ...

    def clear_stderr(self) -> None:
        """Forget what it wrote to stderr so far: it belongs to an earlier turn."""
        ...


Launch: TypeAlias = Callable[[], AbstractAsyncContextManager[Pipes]]
"""Starts a process that lives as long as the block. Raises `BootFailed` if there is none."""


class Process:
    """A running child: implements `Pipes`."""

    def __init__(self, child: trio.Process) -> None:
        assert isinstance(child.stdin, trio.lowlevel.FdStream)
        assert isinstance(child.stdout, trio.lowlevel.FdStream)
        assert child.stderr is not None
        self._child = child
        self._system = psutil.Process(child.pid)  # kept: to make one costs as much as two reads
        self._stdin = child.stdin
        self._stdout = child.stdout
        self._stderr = child.stderr
        self._stderr_closed = trio.Event()
        self._stderr_read = RepeatedEvent()
        self._stderr_chunks: deque[bytes] = deque(maxlen=_STDERR_CHUNKS)

    @property
    def pid(self) -> int:
        """The number of the process, which is also that of its group."""
        return self._child.pid

    async def send_all(self, data: bytes) -> None:
        """Write everything; see `Pipes`."""
        try:
            await self._stdin.send_all(data)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    async def receive_some(self) -> bytes:
        """One read; see `Pipes`.

        Not by the stream, which tries to read before there is anything: half the cost of a line.
        """
        while True:
            await trio.lowlevel.wait_readable(self._stdout.fileno())
            if (data := self.receive_nowait()) is not None:
                return data

    def receive_nowait(self) -> bytes | None:
        """One read of what is there; see `Pipes`."""
        try:
            return os.read(self._stdout.fileno(), _READ_SIZE)
        except BlockingIOError:
            return None

    def send_nowait(self, data: bytes) -> bool:
        """Write a short line; see `Pipes`. Up to `PIPE_BUF` bytes, a pipe takes all or nothing."""
        assert len(data) <= PIPE_BUF
        try:
            return os.write(self._stdin.fileno(), data) == len(data)
        except OSError:
            return False

    def rss(self) -> int | None:
        """Resident memory in bytes; see `Pipes`."""
        try:
            size: int = self._system.memory_info().rss
        except psutil.Error:  # it has ended
            return None
        return size

    async def wait_ended(self) -> int:
        """Wait for its end; see `Pipes`."""
        return await self._child.wait()

    def stderr_tail(self) -> str:
        """The end of its error output; see `Pipes`."""
        return b"".join(self._stderr_chunks).decode(errors="replace").strip()

    def clear_stderr(self) -> None:
        """Forget the error output so far."""
        self._stderr_chunks.clear()

    async def drain_stderr(self) -> None:
        """Read the error output to its end, so that the child never blocks on it."""
        with suppress(trio.ClosedResourceError):
            async for chunk in self._stderr:
                self._stderr_chunks.append(bytes(chunk[-_STDERR_KEPT:]))
                self._stderr_read.set()
        self._stderr_closed.set()

    @property
    def has_stderr(self) -> bool:
        """Whether it has printed; see `Pipes`."""
        return bool(self._stderr_chunks)

    async def wait_stderr(self) -> None:
        """Wait until it prints; see `Pipes`."""
        await self._stderr_read.wait()

    async def wait_stderr_closed(self) -> None:
        """Wait for the end of the error output; see `Pipes`."""
        await self._stderr_closed.wait()

    async def stop(self, step: float) -> None:
        """End the child and its group, whatever it is doing. Each step takes `step` seconds."""
        ladder = ((None, min(step, _POLITE)), (signal.SIGTERM, step), (signal.SIGKILL, step))
        await self._stdin.aclose()
        for signal_number, timeout in ladder:
            if signal_number is not None:
                _signal_group(self.pid, signal_number)
            with trio.move_on_after(timeout):
                await self._child.wait()
                break
        _signal_group(self.pid, signal.SIGKILL)  # grandchildren that it left behind
        await self._stdout.aclose()
        await self._stderr.aclose()

    def __repr__(self) -> str:
        return f"<Process {self.pid}, return code {self._child.returncode}>"


@asynccontextmanager
async def open_process(
    command: Command, guard: Guard, *, stop_timeout: float
) -> AsyncGenerator[Process]:
    """Start `command`; stop it and its group when the block is left.

    `stop_timeout`: seconds that each step of the stop may take. Raises `BootFailed` when the
    system cannot start it.
    """
    try:
        child = await trio.lowlevel.open_process(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env=dict(command.environ),
            start_new_session=True,
        )
    except OSError as error:
        raise BootFailed(
            f"The Claude CLI could not be started: {error.strerror}.",
            cause="not started",
            detail=str(error),
        ) from error
    process = Process(child)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.drain_stderr)
        try:
            guard.watch(child.pid)
            yield process
        finally:
            with trio.move_on_after(_STEPS * stop_timeout + _SLACK, shield=True):
                await process.stop(stop_timeout)
            guard.forget(child.pid)
            nursery.cancel_scope.cancel()


def _signal_group(group: int, signal_number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal_number)
