"""A worker: one task that owns one warm process, from its boot to its end.

    BOOTING    started, has not yet answered a ping
    IDLE       waits at its own zero-buffer channel for a turn
    BUSY       has a turn: prompt, history, query, events
    RESETTING  has no caller any more, and is proving itself clean
    CLOSING    takes no turn any more; its process is being stopped

While it is idle, it is listened to: a process that dies, writes unasked, or does not answer a ping
each `health_check_interval` is found and retired. That goes on beside the wait for a turn, so a
worker that is being checked can be handed one all the same.

After each turn the process is proven clean or it is killed. There is no third way: whatever is
not understood ends the process.
"""

from contextlib import aclosing
from enum import Enum
from typing import NoReturn, Protocol

import trio
from attrs import define, field
from trio_util import periodic

from trioproxy import logs
from trioproxy.claude.exchange import Exchange
from trioproxy.claude.failure import in_its_own_words, refusals
from trioproxy.claude.prompts import Prompt
from trioproxy.claude.session import Fit, InitializeProbe, Ping, Session
from trioproxy.claude.wire import Line
from trioproxy.errors import (
    ApiError,
    BootFailed,
    InternalError,
    PoolClosed,
    ProcessStalled,
    TrioproxyError,
    TurnTimeout,
)
from trioproxy.pool.deadlines import TurnDeadlines
from trioproxy.pool.job import Job, Signal
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import Launch
from trioproxy.settings import PoolSettings

_COST_GRACE = 0.25  # what an answer has cost comes some milliseconds after it
_API_WORDS = 0.25  # the CLI writes them before the line that they belong to, on another pipe

_OF_A_TURN = {"stream_event", "assistant", "user", "result", "control_request"}


class WorkerState(Enum):
    """Where a worker stands; the value is how statistics call it."""

    BOOTING = "booting"
    IDLE = "idle"
    BUSY = "busy"
    RESETTING = "resetting"
    CLOSING = "closing"


class PoolCallbacks(Protocol):
    """Called by a worker, in its own task. None of them blocks."""

    def booted(self, worker: "Worker") -> None:
        """The process has answered its first ping."""
        ...

    def next_job(self, worker: "Worker") -> Job | None:
        """The worker is free: a waiter's turn, or None to wait at the channel for one."""
        ...

    def unhealthy(self, worker: "Worker") -> None:
        """The process was found dead, stopped or odd while nobody used it."""
        ...

    def try_again(self, job: Job) -> None:
        """Give this turn to another worker: the process died before it wrote anything."""
        ...

    def on_initialized(self, initialized: Line) -> None:
        """The process was initialized: its response lists the models."""
        ...

    def charged(self, model: str, usd: float) -> None:
        """An answer has cost so much, by the CLI's own reckoning."""
        ...

    def timed_out(self, error: TurnTimeout) -> None:
        """An answer took too long."""
        ...


class Retired(Exception):
    """Ends a worker. Its text is the reason, as counted in `retirements`."""


@define(eq=False)
class Worker:
    """What the pool knows of a worker. Only the pool and the task that `run` makes change it."""

    id: str
    created_at: float
    state: WorkerState = field(default=WorkerState.BOOTING, init=False)
    pid: int | None = field(default=None, init=False)
    rss: int | None = field(default=None, init=False)
    uses: int = field(default=0, init=False)
    booted_at: float | None = field(default=None, init=False)
    idle_since: float = field(default=0.0, init=False)
    resetting_since: float = field(default=0.0, init=False)
    total_cost: float = field(default=0.0, init=False)  # in USD, by the CLI's own reckoning
    end_reason: str = field(default="", init=False)
    session: Session = field(factory=Session, kw_only=True)
    _sender: trio.MemorySendChannel[Job] = field(init=False)
    _receiver: trio.MemoryReceiveChannel[Job] = field(init=False)
    _idling: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self._sender, self._receiver = trio.open_memory_channel[Job](0)

    @property
    def has_prompt(self) -> bool:
        """Whether the process has a system prompt that it was given."""
        return self.session.has_prompt

    @property
    def oldest_use(self) -> float:
        """When the prompt that would give way to another one was last used."""
        return self.session.oldest_use

    def fit(self, prompt: Prompt) -> Fit:
        """How well the process suits a turn with this prompt."""
        return self.session.fit(prompt)

    def hand_nowait(self, job: Job) -> None:
        """Give an idle worker its turn. Raises `trio.WouldBlock` if it is not at its channel."""
        self._sender.send_nowait(job)

    def retire(self, reason: str) -> None:
        """End an idle worker now."""
        self.state = WorkerState.CLOSING
        self.end_reason = reason
        self._idling.cancel(reason=reason)

    async def wait_for_job(self) -> Job | None:
        """Wait at the channel. None: it is to end, for `end_reason`.

        From the pool's `next_job` to here there is no checkpoint, and only `retire` ends the
        wait: so a worker that counts as idle is always at its channel.
        """
        with trio.CancelScope() as self._idling:
            if self.state is not WorkerState.CLOSING:
                return await self._receiver.receive()
        return None


async def run(
    worker: Worker,
    launch: Launch,
    owner: PoolCallbacks,
    settings: PoolSettings,
    max_line_size: int,
) -> Retired | BootFailed:
    """Be `worker` until its process has ended. Returns why it did."""
    try:
        async with launch() as pipes, trio.open_nursery() as nursery:
            worker.pid = pipes.pid
            life = _Life(worker, LineStream(pipes, max_line_size), owner, settings)
            nursery.start_soon(life.watch_health)
            end = await life.live()
            worker.state = WorkerState.CLOSING
            nursery.cancel_scope.cancel(reason="the worker has ended")
    except BootFailed as error:  # the system could not even start it
        return error
    return end


@define(eq=False)
class _Life:
    """The work of a worker's task."""

    worker: Worker
    stream: LineStream
    owner: PoolCallbacks
    settings: PoolSettings
    ping: Ping = field(init=False)
    ping_answered: trio.Event = field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.ping = self.worker.session.ping()

    async def live(self) -> Retired | BootFailed:
        """Boot, and serve until there is a reason not to."""
        # Caught here: on its way out through a nursery, an exception would come in a group.
        try:
            await self._boot()
            self.owner.booted(self.worker)
            while True:
                job = await self._next_job()
                logs.request_id.set(job.request_id)
                await self._serve(job)
        except (Retired, BootFailed) as end:
            return end

    async def _boot(self) -> None:
        try:
            with trio.fail_after(self.settings.boot_timeout):
                await self.stream.send(self.ping.begin())
                while not self.ping.is_answered:
                    self.ping.receive(await self.stream.receive())
                if self.worker.session.slots is not None:
                    await self._introduce()
        except trio.TooSlowError:
            limit = self.settings.boot_timeout
            raise BootFailed(
                f"The Claude CLI did not answer within {limit:g} s of its start.",
                detail=self.stream.printed(),
            ) from None
        except TrioproxyError as error:
            raise BootFailed(
                f"The Claude CLI did not start. {error.message}", detail=error.detail
            ) from error

    async def _introduce(self) -> None:
        """Have the process say who it is: from then on it takes any prompt."""
        probe = InitializeProbe(binds=False)
        await self.stream.send(probe.begin())
        while probe.answer is None:
            probe.receive(await self.stream.receive())
        self.owner.on_initialized(probe.answer)

    # Idle.

    async def _next_job(self) -> Job:
        try:
            late = self.stream.receive_nowait()
        except TrioproxyError:
            self.owner.unhealthy(self.worker)
            raise Retired("died idle") from None
        if any(line["type"] in _OF_A_TURN for line in late):
            self.owner.unhealthy(self.worker)
            raise Retired("wrote unasked")
        self.worker.rss = self.stream.pipes.rss()
        job = self.owner.next_job(self.worker)
        if job is None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                job = await self.worker.wait_for_job()
                nursery.cancel_scope.shield = True  # a stop is met in `_serve`, which tells of it
                nursery.cancel_scope.cancel(reason="there is a turn, or the end")
        if job is None:
            raise Retired(self.worker.end_reason)
        return job

    async def _listen(self) -> None:
        """Hear what a process says that counts as idle, or has just been handed a turn."""
        try:
            while True:
                lines = await self.stream.receive()
                if self.worker.state is WorkerState.IDLE:
                    self._heard(lines)
        except TrioproxyError:
            if self.worker.state is WorkerState.IDLE:
                self._retire_unhealthy("died idle")

    def _heard(self, lines: list[Line]) -> None:
        if any(line["type"] in _OF_A_TURN for line in lines):
            self._retire_unhealthy("wrote unasked")
        else:
            self.ping.receive(lines)
            if self.ping.is_answered:
                self.ping_answered.set()

    async def watch_health(self) -> None:
        """Ask an idle process each interval whether it is well."""
        async with aclosing(periodic(self.settings.health_check_interval)) as ticks:
            async for _, since_last in ticks:
                if since_last is not None and self.worker.state is WorkerState.IDLE:
                    await self._check_health()

    async def _check_health(self) -> None:
        uses = self.worker.uses
        self.ping = self.worker.session.ping()
        self.ping_answered = trio.Event()
        if self.stream.pipes.send_nowait(self.ping.begin()):
            with trio.move_on_after(self.settings.health_timeout):
                await self.ping_answered.wait()
                return
        if self.worker.uses == uses and self.worker.state is WorkerState.IDLE:
            self._retire_unhealthy("health check failed")

    def _retire_unhealthy(self, reason: str) -> None:
        self.owner.unhealthy(self.worker)
        self.worker.retire(reason)

    # Busy.

    async def _serve(self, job: Job) -> None:
        """Answer one turn and prove the process clean. Raises `Retired` if that cannot be."""
        exchange: Exchange | None = None
        is_ours = True
        try:
            with job.caller_scope():
                job.timings.assigned_at = trio.current_time()
                if job.has_waited:
                    await job.tell(Signal.TAKEN)
                now = trio.current_time()
                exchange = self.worker.session.begin(job.turn, now)
                await self._answer_in_time(job, exchange)
            if exchange is not None:
                job.timings.reset_at = trio.current_time()
                await self._reset_in_time(exchange)
        except TrioproxyError as error:
            is_ours = not await self._is_given_back(job)  # noqa: ASYNC120 - `finally` tells
            if is_ours:
                job.finish(error)
            raise Retired("died") from error
        except Retired:
            raise
        except Exception:
            job.finish(InternalError("Internal error: see the server's log."))
            raise
        finally:
            if is_ours:
                self._charge(job, exchange.total_cost if exchange is not None else None)
                job.finish(PoolClosed("The server stopped before the answer was complete."))
                job.timings.mark_done()

    async def _answer_in_time(self, job: Job, exchange: Exchange) -> None:
        deadlines = TurnDeadlines(self.settings)
        with deadlines.scope:
            await self._answer(job, exchange, deadlines)
            return
        error = deadlines.error()
        self.owner.timed_out(error)
        job.finish(error)  # and the process is interrupted, as after a caller that has left

    async def _answer(self, job: Job, exchange: Exchange, deadlines: TurnDeadlines) -> None:
        self.stream.pipes.clear_stderr()
        await self.stream.send(exchange.begin())
        lines = await self._first_lines()
        job.timings.accepted_at = trio.current_time()
        while True:
            if self.stream.pipes.has_stderr:  # read before the lines that follow them
                for refusal, _ in refusals(self.stream.pipes.stderr_tail()):
                    exchange.refused(refusal)
            step = exchange.receive(lines)
            await self.stream.send(step.output)  # first: the reset runs beside the last delivery
            if step.events:
                deadlines.pause()
                await job.deliver(step.events)
                deadlines.wait()
            if exchange.is_answered:
                break
            is_asked = exchange.was_asked
            lines = await (self.stream.receive() if is_asked else self._first_lines())
        if exchange.initialized is not None:
            self.owner.on_initialized(exchange.initialized)
        if exchange.error is not None and not exchange.was_asked:
            raise exchange.error  # nothing was sent: another process can have the turn
        job.finish(await self._in_full(exchange))

    async def _in_full(self, exchange: Exchange) -> TrioproxyError | None:
        """The error if there is one; the API's in its own words, which may be a moment late."""
        error = exchange.error
        if isinstance(error, ApiError):
            with trio.move_on_after(_API_WORDS):
                while True:
                    words = self.stream.pipes.stderr_tail()
                    found = in_its_own_words(error, exchange.upstream_id, words)
                    if found is not None:
                        return found
                    await self.stream.pipes.wait_stderr()
        return error

    async def _first_lines(self) -> list[Line]:
        """A CLI says at once that it has read something; one that is stopped says nothing."""
        limit = self.settings.health_timeout
        with trio.move_on_after(limit):
            return await self.stream.receive()
        raise ProcessStalled(f"The Claude CLI process did not respond within {limit:g} s.")

    async def _is_given_back(self, job: Job) -> bool:
        """Give the turn back to the pool, if its caller has seen nothing of it yet."""
        if not job.may_be_tried_again:
            return False
        job.wait_again()  # before the caller hears of it, and looks
        with job.caller_scope():
            await job.tell(Signal.RETURNED)
        self.owner.try_again(job)
        return True

    async def _reset_in_time(self, exchange: Exchange) -> None:
        self.worker.resetting_since = trio.current_time()
        if self.settings.reuse == "never":
            await self._end_single_use(exchange)
        self.worker.state = WorkerState.RESETTING
        await trio.lowlevel.checkpoint()  # the caller gives it back before it is clean
        with trio.move_on_after(self.settings.reset_timeout):
            await self._reset(exchange)
        if not exchange.is_clean:
            raise Retired("not proven clean")

    async def _end_single_use(self, exchange: Exchange) -> NoReturn:
        """End the process without a reset, but wait for the cost of a finished answer."""
        self.worker.state = WorkerState.CLOSING
        if exchange.is_answered:
            with trio.move_on_after(_COST_GRACE):
                await self._reset(exchange)
        raise Retired("single use")

    def _charge(self, job: Job, total: float | None) -> None:
        if total is None:
            return
        job.timings.cost = cost = max(0.0, total - self.worker.total_cost)
        self.worker.total_cost = max(total, self.worker.total_cost)
        if cost:
            self.owner.charged(job.turn.model, cost)

    async def _reset(self, exchange: Exchange) -> None:
        await self.stream.send(exchange.abandon())
        while not exchange.is_over:
            step = exchange.receive(await self.stream.receive())
            await self.stream.send(step.output)
