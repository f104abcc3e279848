"""A worker: one task that owns one warm process, from its boot to its end.

    BOOTING    started, has not yet answered a ping
    IDLE       waits at its own zero-buffer channel for a turn
    BUSY       has a turn: prompt, history, query, events
    RESETTING  has no caller any more, and is proving itself clean; or forgets what it was told
    CLOSING    takes no turn any more; its process is being stopped

While it is idle, it is listened to: a process that dies, writes unasked, or does not answer a ping
each `health_check_interval` is found and retired. That goes on beside the wait for a turn, so a
worker that is being checked can be handed one all the same.

After each turn the process is proven clean or it is killed. There is no third way: whatever is
not understood ends the process.
"""

import signal
from contextlib import aclosing
from enum import Enum
from typing import NoReturn, Protocol

import trio
from attrs import define, field
from trio_util import periodic

from trioproxy import logs
from trioproxy.claude.control import ControlQuery, introduction
from trioproxy.claude.conversation import Asked
from trioproxy.claude.exchange import Exchange
from trioproxy.claude.failure import in_its_own_words, refusals
from trioproxy.claude.session import Fit, Session
from trioproxy.claude.wire import Line
from trioproxy.errors import (
    ApiError,
    BootFailed,
    InternalError,
    PoolClosed,
    ProcessDied,
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
_EXIT_GRACE = 0.5  # the system tells how a process has ended a moment after its output

_OF_A_TURN = {"stream_event", "assistant", "user", "result", "control_request"}


class WorkerState(Enum):
    """Where a worker stands; the value is how statistics call it."""

    BOOTING = "booting"
    IDLE = "idle"
    BUSY = "busy"
    RESETTING = "resetting"
    CLOSING = "closing"


class PoolCallbacks(Protocol):
    """Called by a worker, in its own task. None but `try_again` blocks."""

    def booted(self, worker: "Worker") -> None:
        """The process has answered its first ping."""
        ...

    def next_job(self, worker: "Worker", *, is_released: bool) -> Job | None:
        """The worker is idle: a waiter's turn, or None to wait at the channel for one.

        `is_released`: it comes from a turn.
        """
        ...

    def was_reset(self, seconds: float) -> None:
        """The process has proved that nothing is left of a turn."""
        ...

    def replays(self, kept: int, replayed: int) -> None:
        """Of a turn's history so many messages stand already, and so many are written."""
        ...

    def turn_is_over(self) -> None:
        """The worker has nothing to do any more with the turn that it was given."""
        ...

    def unhealthy(self, worker: "Worker") -> None:
        """The process was found dead, stopped or odd while nobody used it."""
        ...

    async def try_again(self, job: Job) -> bool:
        """Give this turn to another worker, if its caller has seen nothing of it yet."""
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
    """One process, and the task that `run` makes. Only the two methods that say so change it.

    `since`: when it came to its `state`, on the pool's clock.
    """

    id: str
    created_at: float
    session: Session = field(factory=Session, kw_only=True)
    state: WorkerState = field(default=WorkerState.BOOTING, init=False)
    since: float = field(init=False)
    pid: int | None = field(default=None, init=False)
    rss: int | None = field(default=None, init=False)
    uses: int = field(default=0, init=False)
    booted_at: float | None = field(default=None, init=False)
    end_reason: str = field(default="", init=False)
    is_outdated: bool = field(default=False, init=False)  # it was started in another way
    _forgets_all: bool = field(default=True, init=False)
    _total_cost: float = field(default=0.0, init=False)  # in USD, by the CLI's own reckoning
    _sender: trio.MemorySendChannel[Job] = field(init=False)
    _receiver: trio.MemoryReceiveChannel[Job] = field(init=False)
    _idling: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _stream: LineStream = field(init=False)
    _pool: PoolCallbacks = field(init=False)
    _settings: PoolSettings = field(init=False)
    _ping: ControlQuery = field(init=False)
    _ping_answered: trio.Event = field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.since = self.created_at
        self._ping = self.session.ping()
        self._sender, self._receiver = trio.open_memory_channel[Job](0)

    # What the pool knows of it.

    @property
    def has_prompt(self) -> bool:
        """Whether the process has a system prompt that it was given."""
        return self.session.has_prompt

    @property
    def has_kept(self) -> bool:
        """Whether it knows prompts that can be taken from it."""
        return self.session.has_kept

    @property
    def oldest_use(self) -> float:
        """When the prompt that would give way to another one was last used."""
        return self.session.oldest_use

    @property
    def standing(self) -> int:
        """How many messages of a conversation stand in it."""
        return len(self.session.conversation.messages)

    def fit(self, asked: Asked) -> Fit:
        """How well the process suits a turn by its system prompt."""
        return self.session.fit(asked.prompt)

    def common(self, asked: Asked) -> int:
        """How many messages stand in it that a turn has too."""
        return self.session.common(asked)

    # What the pool does with it while it is idle.

    def hand_nowait(self, job: Job) -> None:
        """Hand it a turn over its channel. Raises `trio.WouldBlock` if it is not there."""
        self._sender.send_nowait(job)
        self.assign()

    def assign(self) -> None:
        """It has a turn."""
        self.uses += 1
        self._become(WorkerState.BUSY)

    def retire(self, reason: str) -> None:
        """End it now."""
        self.end_reason = reason
        self._become(WorkerState.CLOSING)
        self._idling.cancel(reason=reason)

    def forget(self, *, all_: bool) -> None:
        """Take from its process what callers have said: all, or the conversation."""
        self._forgets_all = all_
        self._become(WorkerState.RESETTING)
        self._idling.cancel(reason="it is to forget")

    async def wait_for_job(self) -> Job | None:
        """Wait at the channel. None: it is to end, or to forget.

        From the pool's `next_job` to here there is no checkpoint, and only `retire` and `forget`
        end the wait: so a worker that counts as idle is always at its channel.
        """
        with trio.CancelScope() as self._idling:
            if self.state is WorkerState.IDLE:
                return await self._receiver.receive()
        return None

    def _become(self, state: WorkerState) -> None:
        self.state = state
        self.since = trio.current_time()

    # Its task.

    async def run(
        self, launch: Launch, pool: PoolCallbacks, settings: PoolSettings, max_line_size: int
    ) -> Retired | BootFailed:
        """Live until the process has ended. Returns why it did."""
        self._pool, self._settings = pool, settings
        try:
            async with launch() as pipes, trio.open_nursery() as nursery:
                self.pid = pipes.pid
                self._stream = LineStream(pipes, max_line_size, settings.write_timeout)
                nursery.start_soon(self._watch_health)
                end = await self._live()
                self._become(WorkerState.CLOSING)
                nursery.cancel_scope.cancel(reason="the worker has ended")
        except BootFailed as error:  # the system could not even start it
            return error
        return end

    async def _live(self) -> Retired | BootFailed:
        """Boot, and serve until there is a reason not to."""
        # Caught here: on its way out through a nursery, an exception would come in a group.
        try:
            await self._boot()
            self.booted_at = trio.current_time()
            self._pool.booted(self)
            is_released = False
            while True:
                job = await self._next_job(is_released=is_released)
                if job is None:
                    await self._forget_in_time()
                else:
                    logs.request_id.set(job.request_id)
                    await self._serve(job)
                is_released = job is not None
        except (Retired, BootFailed) as end:
            return end

    async def _boot(self) -> None:
        try:
            with trio.fail_after(self._settings.boot_timeout):
                await self._ask(self._ping)
                if self.session.slots is not None:
                    # From then on it takes any prompt.
                    await self._ask(query := introduction(binds=False))
                    self._pool.on_initialized(query.answer)
        except trio.TooSlowError:
            limit = self._settings.boot_timeout
            raise BootFailed(
                f"The Claude CLI did not answer within {limit:g} s of its start.",
                cause="silent",
                detail=self._stream.printed(),
            ) from None
        except ProcessDied as error:
            raise await self._boot_death(error) from error
        except TrioproxyError as error:
            raise BootFailed(
                f"The Claude CLI did not start. {error.message}",
                cause="exited",
                detail=error.detail,
            ) from error

    async def _boot_death(self, error: ProcessDied) -> BootFailed:
        code = 0
        with trio.move_on_after(_EXIT_GRACE):
            code = await self._stream.pipes.wait_ended()
        if code >= 0:
            what = f"The Claude CLI did not start. {error.message}"
            return BootFailed(what, cause="exited", detail=error.detail)
        what = f"The Claude CLI was ended by {_signal_name(-code)} while it started."
        return BootFailed(what, cause="killed", detail=error.detail)

    async def _ask(self, query: ControlQuery) -> None:
        await self._stream.send(query.begin())
        while not query.is_answered:
            query.receive(await self._stream.receive())

    # Idle.

    async def _next_job(self, *, is_released: bool) -> Job | None:
        """The next turn; None: it is to forget. Raises `Retired`."""
        try:
            late = self._stream.receive_nowait()
        except TrioproxyError:
            self._pool.unhealthy(self)
            raise Retired("died idle") from None
        if any(line["type"] in _OF_A_TURN for line in late):
            self._pool.unhealthy(self)
            raise Retired("wrote unasked")
        self.rss = self._stream.pipes.rss()
        self._become(WorkerState.IDLE)
        job = self._pool.next_job(self, is_released=is_released)
        if job is None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                job = await self.wait_for_job()
                nursery.cancel_scope.shield = True  # a stop is met in `_serve`, which tells of it
                nursery.cancel_scope.cancel(reason="there is a turn, or the end")
        if job is None and self.state is WorkerState.CLOSING:
            raise Retired(self.end_reason)
        return job

    async def _listen(self) -> None:
        """Hear what a process says that counts as idle, or has just been handed a turn."""
        try:
            while True:
                lines = await self._stream.receive()
                if self.state is WorkerState.IDLE:
                    self._heard(lines)
        except TrioproxyError:
            if self.state is WorkerState.IDLE:
                self._retire_unhealthy("died idle")

    def _heard(self, lines: list[Line]) -> None:
        if any(line["type"] in _OF_A_TURN for line in lines):
            self._retire_unhealthy("wrote unasked")
        else:
            self._ping.receive(lines)
            if self._ping.is_answered:
                self._ping_answered.set()

    async def _watch_health(self) -> None:
        """Ask an idle process each interval whether it is well."""
        async with aclosing(periodic(self._settings.health_check_interval)) as ticks:
            async for _, since_last in ticks:
                if since_last is not None and self.state is WorkerState.IDLE:
                    await self._check_health()

    async def _check_health(self) -> None:
        since = self.since
        self._ping = self.session.ping()
        self._ping_answered = trio.Event()
        if self._stream.pipes.send_nowait(self._ping.begin()):
            with trio.move_on_after(self._settings.health_timeout):
                await self._ping_answered.wait()
                return
        if self.since == since and self.state is WorkerState.IDLE:
            self._retire_unhealthy("health check failed")

    def _retire_unhealthy(self, reason: str) -> None:
        self._pool.unhealthy(self)
        self.retire(reason)

    async def _forget_in_time(self) -> None:
        """Have the process forget. Raises `Retired` if it does not."""
        forgets = self.session.forget if self._forgets_all else self.session.forget_conversation
        query = forgets()
        try:
            with trio.move_on_after(self._settings.reset_timeout):
                await self._ask(query)
        except TrioproxyError as error:
            raise Retired("died") from error
        if query.error or not query.is_answered:
            raise Retired("not proven clean")

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
                exchange = self.session.begin(job.turn, now, job.asked)
                job.timings.kept = len(exchange.standing)
                job.timings.replayed = len(exchange.fresh) - 1
                self._pool.replays(len(exchange.standing), len(exchange.fresh) - 1)
                await self._answer_in_time(job, exchange)
            if exchange is not None:
                job.timings.reset_at = trio.current_time()
                await self._reset_in_time(exchange)
        except TrioproxyError as error:
            is_ours = not await self._pool.try_again(job)  # noqa: ASYNC120 - `finally` tells
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
            self._pool.turn_is_over()

    async def _answer_in_time(self, job: Job, exchange: Exchange) -> None:
        deadlines = TurnDeadlines(self._settings)
        with deadlines.scope:
            await self._answer(job, exchange, deadlines)
            return
        error = deadlines.error()
        self._pool.timed_out(error)
        job.finish(error)  # and the process is interrupted, as after a caller that has left

    async def _answer(self, job: Job, exchange: Exchange, deadlines: TurnDeadlines) -> None:
        pipes = self._stream.pipes
        pipes.clear_stderr()
        await self._stream.send(exchange.begin())
        lines = await self._first_lines()
        job.timings.accepted_at = trio.current_time()
        while True:
            if pipes.has_stderr:  # read before the lines that follow them
                for refusal, _ in refusals(pipes.stderr_tail()):
                    exchange.refused(refusal)
            step = exchange.receive(lines)
            await self._stream.send(step.output)  # first: the reset runs beside the last delivery
            if step.events:
                deadlines.pause()
                await job.deliver(step.events)
                deadlines.wait()
            if exchange.is_answered:
                break
            is_asked = exchange.was_asked
            lines = await (self._stream.receive() if is_asked else self._first_lines())
        if exchange.initialized is not None:
            self._pool.on_initialized(exchange.initialized)
        if exchange.error is not None and not exchange.was_asked:
            raise exchange.error  # nothing was sent: another process can have the turn
        job.finish(await self._in_full(exchange))

    async def _in_full(self, exchange: Exchange) -> TrioproxyError | None:
        """The error if there is one; the API's in its own words, which may be a moment late."""
        error = exchange.error
        if isinstance(error, ApiError):
            with trio.move_on_after(_API_WORDS):
                while True:
                    words = self._stream.pipes.stderr_tail()
                    found = in_its_own_words(error, exchange.upstream_id, words)
                    if found is not None:
                        return found
                    await self._stream.pipes.wait_stderr()
        return error

    async def _first_lines(self) -> list[Line]:
        """A CLI says at once that it has read something; one that is stopped says nothing."""
        limit = self._settings.health_timeout
        with trio.move_on_after(limit):
            return await self._stream.receive()
        raise ProcessStalled(f"The Claude CLI process did not respond within {limit:g} s.")

    async def _reset_in_time(self, exchange: Exchange) -> None:
        if self._settings.reuse == "never":
            await self._end_single_use(exchange)
        self._become(WorkerState.RESETTING)
        await trio.lowlevel.checkpoint()  # the caller gives it back before it is clean
        with trio.move_on_after(self._settings.reset_timeout):
            await self._reset(exchange)
        if not exchange.is_clean:
            raise Retired("not proven clean")
        self.session.ended(exchange)
        self._pool.was_reset(trio.current_time() - self.since)

    async def _end_single_use(self, exchange: Exchange) -> NoReturn:
        """End the process without a reset, but wait for the cost of a finished answer."""
        self._become(WorkerState.CLOSING)
        if exchange.is_answered:
            with trio.move_on_after(_COST_GRACE):
                await self._reset(exchange)
        raise Retired("single use")

    async def _reset(self, exchange: Exchange) -> None:
        await self._stream.send(exchange.abandon())
        while not exchange.is_over:
            step = exchange.receive(await self._stream.receive())
            await self._stream.send(step.output)

    def _charge(self, job: Job, total: float | None) -> None:
        if total is None:
            return
        job.timings.cost = cost = max(0.0, total - self._total_cost)
        self._total_cost = max(total, self._total_cost)
        if cost:
            self._pool.charged(job.turn.model, cost)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
