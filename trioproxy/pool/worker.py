"""A worker: one task that owns one warm process, from its boot to its end.

    BOOTING   started, has not yet answered a ping
    IDLE      waits at its own zero-buffer channel for a turn
    BUSY      has a turn: bind, history, query, events
    RESETTING has no caller any more, and is proving itself clean
    CLOSING   takes no turn any more; its process is being stopped

A reader beside it reads the process always, so that its pipes never fill up: for the turn while
there is one, and otherwise to notice a process that has died or that writes unasked.

After each turn the process is proven clean or it is killed. There is no third way: whatever is
not understood ends the process.
"""

from enum import Enum
from typing import Protocol

import trio
from attrs import define, field

from trioproxy.claude.exchange import Exchange
from trioproxy.claude.session import Session
from trioproxy.claude.wire import Line, LineDecoder
from trioproxy.errors import (
    BootFailed,
    InternalError,
    PoolClosed,
    ProcessDied,
    ProcessStalled,
    TrioproxyError,
)
from trioproxy.pool.job import Job
from trioproxy.pool.process import Launch, Pipes
from trioproxy.settings import PoolSettings

# A CLI that is well takes 30 MB within a second; this only has to end some time.
_WRITE_TIMEOUT = 10.0

_OF_A_TURN = {"stream_event", "assistant", "user", "result", "control_response", "control_request"}


class WorkerState(Enum):
    """Where a worker stands; the value is how statistics call it."""

    BOOTING = "booting"
    IDLE = "idle"
    BUSY = "busy"
    RESETTING = "resetting"
    CLOSING = "closing"


class Owner(Protocol):
    """What a worker tells its pool. Nothing here blocks."""

    def booted(self, worker: "Worker") -> None:
        """The process has answered its first ping."""
        ...

    def next_job(self, worker: "Worker") -> Job | None:
        """The worker is free: a waiter's turn, or None to wait at the channel for one."""
        ...


class Retired(Exception):
    """The process is to end. Its text is the reason, as statistics count it."""


@define(eq=False)
class Worker:
    """What the pool knows of a worker. The task that `run` makes is the only one to act on it."""

    id: str
    created_at: float
    state: WorkerState = field(default=WorkerState.BOOTING, init=False)
    pid: int | None = field(default=None, init=False)
    uses: int = field(default=0, init=False)
    idle_since: float = field(default=0.0, init=False)
    end_reason: str = field(default="", init=False)
    session: Session = field(factory=Session, init=False)
    _sender: trio.MemorySendChannel[Job] = field(init=False)
    _receiver: trio.MemoryReceiveChannel[Job] = field(init=False)
    _idling: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self._sender, self._receiver = trio.open_memory_channel[Job](0)

    @property
    def bound(self) -> str | None:
        """The system prompt that the process serves; None before its first turn."""
        return self.session.bound

    def hand_nowait(self, job: Job) -> None:
        """Give an idle worker its turn. Raises `trio.WouldBlock` if it is not at its channel."""
        self._sender.send_nowait(job)

    def retire(self, reason: str) -> None:
        """An idle worker is to end now."""
        self.state = WorkerState.CLOSING
        self.end_reason = reason
        self._idling.cancel(reason=reason)

    async def wait_for_job(self) -> Job:
        """Wait at the channel. Raises `Retired`.

        From the pool's `next_job` to here there is no checkpoint, so a worker that counts as
        idle is always at its channel.
        """
        with trio.CancelScope() as self._idling:
            if self.state is WorkerState.CLOSING:
                raise Retired(self.end_reason)
            return await self._receiver.receive()
        raise Retired(self.end_reason)


async def run(
    worker: Worker, launch: Launch, owner: Owner, settings: PoolSettings, max_line_size: int
) -> Retired | BootFailed:
    """Be `worker` until its process has ended. Returns why it did."""
    try:
        async with launch() as pipes, trio.open_nursery() as nursery:
            worker.pid = pipes.pid
            link = Link(worker, pipes, max_line_size)
            nursery.start_soon(link.read)
            end = await _work(link, owner, settings)
            worker.state = WorkerState.CLOSING
            nursery.cancel_scope.cancel(reason="the worker has ended")
    except BootFailed as error:  # the system could not even start it
        return error
    return end


async def _work(link: "Link", owner: Owner, settings: PoolSettings) -> Retired | BootFailed:
    # Caught here: on its way out through a nursery, an exception would come in a group.
    try:
        with trio.fail_after(settings.boot_timeout):
            await _boot(link)
    except trio.TooSlowError:
        return BootFailed(
            f"The Claude CLI did not answer within {settings.boot_timeout:g} s of its start. "
            f"{link.printed()}"
        )
    except TrioproxyError as error:
        return BootFailed(f"The Claude CLI did not come up. {error.message}")
    owner.booted(link.worker)
    try:
        while True:
            link.drop_late_lines()
            job = owner.next_job(link.worker) or await link.worker.wait_for_job()
            await _serve(link, job, settings)
    except Retired as end:
        return end


class Link:
    """The lines of a process: a reader that never stops, and a writer that is never cut short."""

    def __init__(self, worker: Worker, pipes: Pipes, max_line_size: int) -> None:
        self.worker = worker
        self.pipes = pipes
        self._decoder = LineDecoder(max_line_size)
        self._sender, self._receiver = trio.open_memory_channel[list[Line]](0)
        self._end: TrioproxyError | None = None

    async def read(self) -> None:
        """Read to the end of the output. Lines go to the turn, or are looked at here."""
        with self._sender:
            try:
                while data := await self.pipes.receive_some():
                    lines = self._decoder.feed(data)
                    if self.worker.state is not WorkerState.IDLE:
                        await self._sender.send(lines)
                    elif any(line["type"] in _OF_A_TURN for line in lines):
                        self.worker.retire("wrote unasked")
            except TrioproxyError as error:
                self._end = error
        if self.worker.state is WorkerState.IDLE:
            self.worker.retire("died")

    async def receive(self) -> list[Line]:
        """The lines of the next read. Raises `ProcessDied` or `WireError` when there are none."""
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            died = ProcessDied(f"The Claude CLI process ended unexpectedly. {self.printed()}")
            raise self._end or died from None

    def printed(self) -> str:
        """What the process said of itself, as a sentence."""
        words = self.pipes.last_words()
        return f"It printed: {words}" if words else "It printed nothing."

    def drop_late_lines(self) -> None:
        """Pass over what the reader holds, before the worker counts as idle. Raises `Retired`."""
        try:
            while True:
                self._receiver.receive_nowait()
        except trio.WouldBlock:
            pass
        except trio.EndOfChannel:
            raise Retired("died") from None

    async def send(self, data: bytes) -> None:
        """Write everything: a line that is cut short by a client's leaving would end the process.

        Raises `ProcessStalled` when the process does not take it.
        """
        if not data:
            return
        with trio.move_on_after(_WRITE_TIMEOUT, shield=True):
            await self.pipes.send_all(data)
            return
        raise ProcessStalled("The Claude CLI process does not read its input.")


async def _boot(link: Link) -> None:
    ping = link.worker.session.ping()
    await link.send(ping.begin())
    while not ping.is_answered:
        ping.receive(await link.receive())


async def _serve(link: Link, job: Job, settings: PoolSettings) -> None:
    """Answer one turn and prove the process clean. Raises `Retired` when it must not go on."""
    exchange: Exchange | None = None
    try:
        with job.while_wanted():
            await job.tell_taken()
            exchange = link.worker.session.begin(job.turn)
            try:
                with trio.fail_after(settings.turn_timeout):
                    await _answer(link, job, exchange)
            except trio.TooSlowError:
                job.finish(ProcessStalled(f"No answer within {settings.turn_timeout:g} s."))
                raise Retired("turn timeout") from None
        if exchange is not None:
            link.worker.state = WorkerState.RESETTING
            with trio.move_on_after(settings.reset_timeout):
                await _reset(link, exchange)
            if not exchange.is_clean:
                raise Retired("not proven clean")
    except TrioproxyError as error:
        job.finish(error)
        raise Retired("died") from error
    except Exception:
        job.finish(InternalError("The server failed; its log has the details."))
        raise
    finally:
        job.finish(PoolClosed("The server stopped before the answer was complete."))


async def _answer(link: Link, job: Job, exchange: Exchange) -> None:
    await link.send(exchange.begin())
    while not exchange.is_answered:
        step = exchange.receive(await link.receive())
        await link.send(step.output)  # first, so that the reset runs beside the last delivery
        if step.events:
            await job.deliver(step.events)
    job.finish(exchange.error)


async def _reset(link: Link, exchange: Exchange) -> None:
    await link.send(exchange.abandon())
    while not exchange.is_over:
        step = exchange.receive(await link.receive())
        await link.send(step.output)
