"""The pool: who answers which turn, and how many processes there are.

Every decision is taken in one synchronous step, by the caller that submits, the worker that
becomes free, or the worker that ends. So there is nothing to lock, and nothing is ever found to
have changed in between.

    submit ----> an idle worker that fits? -- yes --> hand it over its channel
                        | no
                        v
                 wait in line <---- next_job: a worker is free: the first waiter
                        |
                        v
                      _grow: boot for waiters and for min_size; or retire to make room

Where a process is bound to its first prompt (`binding = "fixed"`), a free one that does not fit
the first in line is retired to make room, so that nobody waits behind the many of another prompt.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex

import trio
from attrs import evolve
from trio_util import AsyncValue

from trioproxy.claude.session import Session
from trioproxy.claude.turn import Turn
from trioproxy.claude.wire import Line
from trioproxy.errors import (
    AcquireTimeout,
    BootFailed,
    PoolClosed,
    TooManyWaiting,
    TurnTimeout,
)
from trioproxy.pool import policy, worker_log
from trioproxy.pool.backoff import SETTLED, Backoff
from trioproxy.pool.job import Job, Lease, Signal
from trioproxy.pool.model_catalog import ModelCatalog
from trioproxy.pool.process import Launch
from trioproxy.pool.stats import PoolCounters, PoolStatistics, WorkerStatistics
from trioproxy.pool.waiters import Waiters
from trioproxy.pool.warmup import Warmup
from trioproxy.pool.worker import Retired, Worker, WorkerState
from trioproxy.pool.workers import SOON, WorkerSet
from trioproxy.settings import PoolSettings

logger = logging.getLogger("trioproxy.pool")

_FIRST_BOOT = 5.0  # a boot that hangs holds up neither the port nor a stop

_LONG_BOOT = 1.0  # seconds; then a conversation is given up that a boot was to spare

_TRIES = 2  # of a turn whose process dies before its caller has seen anything

_UNHEALTHY_ENDS = {"died idle", "wrote unasked", "health check failed"}


class Pool:
    """Warm processes, and the turns that wait for one. `open_pool` makes it."""

    def __init__(
        self,
        settings: PoolSettings,
        launch: Launch,
        nursery: trio.Nursery,
        max_line_size: int,
        new_session: Callable[[], Session],
    ) -> None:
        self._settings = policy.effective(settings)
        self._new_session = new_session
        self.models = ModelCatalog(launch, nursery, settings.boot_timeout, max_line_size)
        self._launch = launch
        self._nursery = nursery
        self._max_line_size = max_line_size
        self._limits = policy.PoolLimits.of(self._settings)
        self._workers = WorkerSet()
        self._waiters = Waiters()
        self._tally = PoolCounters()
        self._backoff = Backoff()
        self._is_open = True
        self._is_kept_warm = self._settings.warmup_on_startup
        self._warmup = Warmup()
        self._turns = AsyncValue(0)  # that a worker has, or whose process is being reset

    # For callers.

    def submit(self, turn: Turn, request_id: str = "", *, is_buffered: bool = False) -> Lease:
        """Put a turn to the pool: `with pool.submit(turn) as answer`. Never blocks.

        `is_buffered`: no event is wanted before the last one is there.
        Raises `PoolClosed` when the pool is stopping, `TooManyWaiting` when the line is full, and
        `BootFailed` when no process can be started.
        """
        if not self._is_open:
            raise PoolClosed("The server is stopping.")
        now = trio.current_time()
        if self._backoff.error is not None and self._backoff.is_waiting(now) and not self._workers:
            raise self._backoff.error.again()
        if self._settings.enabled:
            logger.debug("[POOL_MANAGER] Acquiring client from pool")
        else:
            logger.debug("[POOL_MANAGER] Creating new client (pooling disabled)")
        self._is_kept_warm = True
        job = Job(turn, request_id, now, is_buffered)
        if not self._hand_over(job):
            if len(self._waiters) >= self._settings.max_waiting:
                raise TooManyWaiting(
                    f"{len(self._waiters)} requests are already waiting for a Claude process "
                    "(`[pool_settings] max_waiting`). Try again later."
                )
            job.wait_again()
            self._waiters.join(job)
            if self._workers.soon_free(now):
                self._nursery.start_soon(self._grow_at, now + SOON)
            if self._workers.count(WorkerState.IDLE):
                self._nursery.start_soon(self._hand_over_at, now + _LONG_BOOT, job)
        self._grow()
        return Lease(job, self)

    async def wait_taken(self, job: Job) -> None:
        """Wait until a worker has the turn, for `acquire_timeout` at most.

        Raises `AcquireTimeout`, or what keeps every process from booting.
        """
        timeout = self._settings.acquire_timeout
        if job.waits_since is None:
            return
        with trio.move_on_at(job.waits_since + timeout):
            if await job.receive() is None and job.error is not None:
                raise job.error.again()
            return
        if job.worker_id is not None:  # a worker came in the very tick of the deadline
            return
        self._tally.acquire_timeouts += 1
        logger.warning("[POOL] Could not acquire Claude connection within %ss timeout", timeout)
        raise AcquireTimeout(
            f"All Claude processes were busy for {timeout:g} s. Try again, or raise "
            f"`[pool_settings] max_size` ({self._limits.max_size}) or `acquire_timeout`."
        )

    def leave(self, job: Job) -> None:
        """The caller is done with the turn, or gives it up."""
        if job.worker_id is not None:
            logger.debug("[POOL_MANAGER] Releasing connection %s back to pool", job.worker_id)
        self._waiters.leave(job)
        job.abandon()
        if job.worker_id is None:
            job.timings.mark_done()

    def renew(self, launch: Launch, new_session: Callable[[], Session]) -> None:
        """Start processes in this way from now on, and replace those that there are, in time."""
        self._launch, self._new_session = launch, new_session
        for worker in self._workers:
            worker.is_outdated = True
        self._grow()

    @property
    def is_enabled(self) -> bool:
        """Whether processes are kept, or one is started for each request."""
        return self._settings.enabled

    @property
    def trouble(self) -> str | None:
        """Why no process can be started just now; None when they can."""
        return None if self._backoff.error is None else self._backoff.error.message

    def statistics(self) -> PoolStatistics:
        """The pool as it is now."""
        now = trio.current_time()
        return PoolStatistics.of(
            self._tally,
            available=self._workers.count(WorkerState.IDLE),
            booting=self._workers.count(WorkerState.BOOTING),
            waiting=len(self._waiters),
            workers=tuple(WorkerStatistics.of(worker, now) for worker in self._workers),
        )

    # For workers: see `PoolCallbacks`.

    def booted(self, worker: Worker) -> None:
        """A process has answered its first ping."""
        if self._backoff.has_failed:
            self._nursery.start_soon(self._settle, worker)
        self._tally.booted(trio.current_time() - worker.created_at)
        max_size, is_first = self._limits.max_size, worker.id in self._warmup
        worker_log.created(worker.id, len(self._workers), max_size, is_first=is_first)
        self._warmed(worker)

    def next_job(self, worker: Worker, *, is_released: bool) -> Job | None:
        """A worker is idle: the turn that it takes now, or None if it is to wait for one."""
        if policy.is_due_for_replacement(worker, self._limits):
            self._grow()
            if worker.state is WorkerState.CLOSING:
                return None
        job = self._waiters.first
        if job is not None and not self._suits(worker, job):
            job = None
        if job is not None:
            self._waiters.leave(job)
            worker.assign()
            self._assigned(worker, job)
        elif is_released:
            available = self._workers.count(WorkerState.IDLE)
            worker_log.released(worker.id, available, self._workers.count(WorkerState.BUSY))
        elif not self.is_enabled:
            worker.retire("not needed")
        self._grow()
        return job

    def was_reset(self, seconds: float) -> None:
        """A process has proved that nothing is left of a turn."""
        self._tally.was_reset(seconds)
        self._settled()

    def replays(self, kept: int, replayed: int) -> None:
        """Of a turn's history so many messages stand already, and so many are written."""
        self._tally.messages_kept += kept
        self._tally.messages_replayed += replayed

    def turn_is_over(self) -> None:
        """A worker has nothing to do any more with a turn."""
        self._turns.value -= 1

    def unhealthy(self, worker: Worker) -> None:
        """A process was found dead, stopped or odd while nobody used it."""
        self._tally.health_check_failures += 1
        logger.warning("[POOL] Health check failed for connection %s", worker.id)

    async def try_again(self, job: Job) -> bool:
        """Give a turn whose process has died to another one: it goes to the head of the queue.

        False: its caller has seen something of it already, or it has had its second try.
        """
        if not job.is_unseen or job.tries >= _TRIES:
            return False
        job.wait_again()  # before the caller hears of it, and looks
        with job.caller_scope():
            await job.tell(Signal.RETURNED)
        if not self._is_open or job.is_abandoned:
            job.finish(PoolClosed("The server is stopping."))
            return True
        self._tally.retries += 1
        logger.warning("[POOL] A process died before it answered: trying another one")
        if not self._hand_over(job):
            self._waiters.join(job, ahead=True)
        self._grow()
        return True

    def on_initialized(self, initialized: Line) -> None:
        """A process was initialized, and has listed the models."""
        self.models.on_initialized(initialized)

    def charged(self, model: str, usd: float) -> None:
        """Add the cost of an answer in USD, under a model that the CLI lists or `other`."""
        self._tally.cost[self.models.known.label(model)] += usd

    def timed_out(self, error: TurnTimeout) -> None:
        """An answer took too long."""
        self._tally.turn_timeouts += 1
        logger.warning("[POOL] %s", error)

    # The decisions.

    def _hand_over(self, job: Job, *, may_wipe: bool = False) -> bool:
        """Hand a turn to an idle worker, if there is one for it.

        One in which another conversation stands gives it up if no process can be booted instead.
        """
        idle, now = self._workers.in_state(WorkerState.IDLE), trio.current_time()
        chosen = policy.choose(job.asked, idle, now, may_wipe=may_wipe or not self._may_boot)
        if chosen is None:
            return False
        try:
            chosen.hand_nowait(job)
        except trio.WouldBlock:  # the pool is being cancelled in this very tick
            return False
        self._assigned(chosen, job)
        return True

    @property
    def _may_boot(self) -> bool:
        """Whether another process is on its way, or could be: none has to forget then."""
        now = trio.current_time()
        is_well = self._backoff.error is None and not self._backoff.is_waiting(now)
        has_room = len(self._workers) < self._limits.max_size
        booting = self._workers.count(WorkerState.BOOTING)
        return is_well and self._is_open and (has_room or booting > len(self._waiters))

    def _suits(self, worker: Worker, job: Job) -> bool:
        """Whether a worker that has become free takes the first in line."""
        has_boot = self._workers.count(WorkerState.BOOTING) >= len(self._waiters)
        now = trio.current_time()
        return policy.choose(job.asked, [worker], now, may_wipe=not has_boot) is not None

    async def _hand_over_at(self, time: float, job: Job) -> None:
        """A turn has waited long enough for a process that boots: another one has to forget."""
        await trio.sleep_until(time)
        if job in self._waiters and self._hand_over(job, may_wipe=True):
            self._waiters.leave(job)

    def _assigned(self, worker: Worker, job: Job) -> None:
        job.worker_id = worker.id
        job.tries += 1
        self._turns.value += 1
        self._tally.assigned(trio.current_time() - job.submitted_at, is_reuse=worker.uses > 1)
        worker_log.assigned(worker.id, worker.uses, len(self._workers))

    def _dispatch(self) -> None:
        """Hand over to idle workers what waited for one that is not coming any more."""
        while (first := self._waiters.first) is not None and self._hand_over(first):
            self._waiters.leave(first)

    def _grow(self) -> None:
        """Start the processes that `policy` asks for, make room for them, and retire those due."""
        if not self._is_open or self._backoff.is_waiting(trio.current_time()):
            return
        census = self._workers.census(len(self._waiters), trio.current_time())
        limits = self._limits
        if not self._is_kept_warm:
            limits = evolve(limits, min_size=0)
        idle = self._workers.in_state(WorkerState.IDLE)
        due_for_replacement = [
            worker for worker in idle if policy.is_due_for_replacement(worker, limits)
        ]
        to_boot = policy.boots_wanted(census, limits, due_for_replacement=len(due_for_replacement))
        if self._backoff.error is not None:
            to_boot = min(to_boot, 1 - census.booting)  # one tries the water for all
        for _ in range(to_boot):
            self._boot()
        if due_for_replacement:
            self._retire_due(due_for_replacement, census)
            # Those make room too, and that may be enough.
            census = self._workers.census(len(self._waiters), trio.current_time())
            idle = self._workers.in_state(WorkerState.IDLE)
        for worker in policy.to_retire(idle, census, limits):
            worker.retire("made room")
        freed = policy.to_free(idle, census, limits, trio.current_time())
        if freed is not None and freed.state is WorkerState.IDLE:
            freed.forget(all_=False)

    def _retire_due(self, due_for_replacement: list[Worker], census: policy.Census) -> None:
        """Retire due processes once replacements are up, or if there is no room for them."""
        fresh = census.fresh
        has_no_room = census.total >= self._limits.max_size and not census.booting
        for worker in due_for_replacement:
            if worker.state is WorkerState.IDLE and (fresh or has_no_room):
                worker.retire("worn")
                fresh = max(0, fresh - 1)

    # Processes, coming and going.

    def _boot(self) -> Worker:
        worker = Worker(token_hex(3), trio.current_time(), session=self._new_session())
        self._workers.add(worker)
        self._tally.connections_created += 1
        run = partial(self._run_worker, worker, self._launch)
        self._nursery.start_soon(run, name=f"worker {worker.id}")
        return worker

    async def _run_worker(self, worker: Worker, launch: Launch) -> None:
        end: Exception
        try:
            end = await worker.run(launch, self, self._settings, self._max_line_size)
        except Exception as error:
            logger.exception(
                "[POOL] Connection %s failed because of a fault in this server", worker.id
            )
            end = error
        finally:
            self._workers.remove(worker)
            self._tally.connections_destroyed += 1
            worker_log.destroyed(worker.id, len(self._workers))
        self._ended(worker, end)

    def _ended(self, worker: Worker, end: Exception) -> None:
        if isinstance(end, BootFailed):
            reason = "boot failed"
            self._boot_failed(end, worker)
        else:
            reason = str(end) if isinstance(end, Retired) else "server fault"
        self._tally.retirements[reason] += 1
        is_unhealthy = reason in _UNHEALTHY_ENDS
        worker_log.ended(worker.id, reason, is_unhealthy=is_unhealthy)
        if is_unhealthy and _was_short_lived(worker):
            words = "The Claude CLI starts, but exits soon afterwards."
            self._boot_failed(BootFailed(words, cause="short-lived"), worker)
        self._warmed(worker)
        if self._is_open:
            self._dispatch()
            self._grow()

    async def _settle(self, worker: Worker) -> None:
        await trio.sleep(SETTLED)
        if worker in self._workers:
            self._settled()

    def _settled(self) -> None:
        """A process has come up, and serves: whatever there was is over."""
        if not self._backoff.has_failed:
            return
        had_trouble = self._backoff.error is not None
        self._backoff.succeeded()
        if had_trouble:
            logger.info("[POOL] The Claude CLI can be started again")
            self._grow()

    def _boot_failed(self, error: BootFailed, worker: Worker) -> None:
        self._tally.boot_failures += 1
        now, known, retry_at = trio.current_time(), self._backoff.error, self._backoff.retry_at
        self._backoff.failed(error, worker.created_at, now)
        if self._backoff.error is None:
            logger.warning("[POOL] %s Starting another one.", error.message)
            return
        if known is None or known.message != error.message:
            logger.error("[POOL] %s", error.log_message)
        if not self._workers:
            self._waiters.fail_all(error)
        if self._backoff.retry_at != retry_at:
            self._nursery.start_soon(self._grow_at, self._backoff.retry_at)

    async def _grow_at(self, time: float) -> None:
        await trio.sleep_until(time)
        self._grow()

    async def _watch_idle(self) -> None:
        """Close those that have been idle for too long, each at its exact time.

        Those that stay, for `min_size`, forget what callers have said.
        """
        while True:
            now = trio.current_time()
            idle = self._workers.in_state(WorkerState.IDLE)
            census = self._workers.census(len(self._waiters), now)
            for worker in policy.to_close(idle, census, self._limits, now):
                worker.retire("idle")
                worker_log.cleaned_up(worker.id, self._limits.idle_timeout)
            left = self._workers.in_state(WorkerState.IDLE)
            for worker in policy.to_forget(left, self._limits, now):
                worker.forget(all_=True)
            limits = {self._limits.idle_timeout, self._limits.conversation_timeout}
            deadlines = [worker.since + limit for worker in idle for limit in limits]
            latest = now + min(limits)
            await trio.sleep_until(min((d for d in deadlines if d > now), default=latest))

    # Life.

    def start(self) -> None:
        """Start the first processes, if `warmup_on_startup`."""
        first = self._settings.min_size if self._is_kept_warm else 0
        self._warmup.expect([self._boot().id for _ in range(first)])
        if not first:
            self._end_warmup()
        self._grow()
        self._nursery.start_soon(self._watch_idle)

    def _warmed(self, worker: Worker) -> None:
        """A process has booted, or is not coming."""
        if self._warmup.settled(worker.id):
            self._end_warmup()

    def _end_warmup(self) -> None:
        if self.is_enabled and self._backoff.error is None:
            logger.info(
                "[POOL] Claude instance pool initialized successfully with %d connections",
                sum(worker.booted_at is not None for worker in self._workers),
            )
        self._warmup.end()

    @property
    def is_starting(self) -> bool:
        """Whether the first processes are on their way, and none is there yet."""
        return not self._warmup.has_seen_first and len(self._workers) > 0

    async def wait_first_boot(self) -> None:
        """Wait until the first process has booted or failed; at once if none is started."""
        if self._workers:
            await self._warmup.wait_first()

    async def wait_warm(self) -> None:
        """Wait until each of the first processes is there or has failed."""
        await self._warmup.wait_over()

    def close(self) -> None:
        """Take no more turns; fail those that wait with `PoolClosed`."""
        self._is_open = False
        self._waiters.fail_all(PoolClosed("The server is stopping."))

    async def wait_unused(self) -> None:
        """Wait until no worker has a turn, or is being reset behind one."""
        await self._turns.wait_value(0)

    def __repr__(self) -> str:
        states = " ".join(f"{worker.id}:{worker.state.value}" for worker in self._workers)
        return f"<Pool, {len(self._waiters)} waiting, {states or 'no workers'}>"


def _was_short_lived(worker: Worker) -> bool:
    booted_at = worker.booted_at
    return not worker.uses and booted_at is not None and trio.current_time() < booted_at + SETTLED


@asynccontextmanager
async def open_pool(
    settings: PoolSettings,
    launch: Launch,
    *,
    max_line_size: int,
    new_session: Callable[[], Session] = Session,
) -> AsyncGenerator[Pool]:
    """A pool that lives as long as the block. `new_session` is called for each process.

    Entering waits for the first process to have booted or failed, for a few seconds. Leaving
    gives the turns that run `drain_timeout` seconds, tells the rest, and stops every process.
    """
    if settings.enabled:
        logger.info(
            "[POOL] Initializing Claude instance pool (min=%d, max=%d)",
            settings.min_size,
            settings.max_size,
        )
    async with trio.open_nursery() as nursery:
        pool = Pool(settings, launch, nursery, max_line_size, new_session)
        pool.start()
        try:
            with trio.move_on_after(_FIRST_BOOT):
                await pool.wait_first_boot()
            yield pool
            pool.close()
            with trio.move_on_after(settings.drain_timeout):
                await pool.wait_unused()
        finally:
            logger.info(
                "[POOL] Shutting down Claude instance pool (destroying %d connections)",
                pool.statistics().total_connections,
            )
            pool.close()
            nursery.cancel_scope.cancel(reason="the pool is closed")
    logger.info("[POOL] Claude instance pool shutdown complete")
