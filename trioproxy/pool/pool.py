"""The pool: who answers which turn, and how many processes there are.

Every decision is taken in one synchronous step, by the caller that submits, the worker that
becomes free, or the worker that ends. So there is nothing to lock, and nothing is ever found to
have changed in between.

    submit ----> an idle worker that fits? -- yes --> hand it over its channel
                        | no
                        v
                 wait in line <---- next_job: a worker is free: the first waiter that it fits
                        |
                        v
                      _grow: boot for waiters, for min_size, for spares; or retire to make room

Fairness. A free worker that is bound to another prompt than that of the first in line serves a
later waiter that it fits only while a boot is under way for the first; otherwise it is retired
to make room, so that nobody waits for ever behind the many of another prompt.
"""

import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex

import trio

from trioproxy.claude.turn import Turn
from trioproxy.errors import AcquireTimeout, BootFailed, PoolClosed
from trioproxy.pool import policy, worker
from trioproxy.pool.job import Answer, Job
from trioproxy.pool.process import Launch
from trioproxy.pool.stats import Counters, PoolStatistics, WorkerStatistics
from trioproxy.pool.waiters import Waiters
from trioproxy.pool.worker import Retired, Worker, WorkerState
from trioproxy.settings import PoolSettings

logger = logging.getLogger("trioproxy.pool")

_BACKOFF_FIRST = 0.5
_BACKOFF_LONGEST = 60.0


class Pool:
    """Warm processes, and the turns that wait for one. `open_pool` makes it."""

    def __init__(
        self, settings: PoolSettings, launch: Launch, nursery: trio.Nursery, max_line_size: int
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._nursery = nursery
        self._max_line_size = max_line_size
        self._limits = policy.Limits(settings.min_size, settings.max_size, settings.spare_size)
        self._workers: dict[str, Worker] = {}
        self._waiters = Waiters()
        self._counters = Counters()
        self._is_open = True
        self._is_kept_warm = settings.warmup_on_startup
        self._boot_error: BootFailed | None = None
        self._boots_failed_in_a_row = 0
        self._is_backing_off = False
        self._first_boot = trio.Event()

    # For callers.

    def submit(self, turn: Turn) -> Answer:
        """Put a turn to the pool: `with pool.submit(turn) as answer`. Never blocks.

        Raises `PoolClosed` when the pool is stopping and `BootFailed` when no process can be
        started.
        """
        if not self._is_open:
            raise PoolClosed("The server is stopping.")
        if self._boot_error is not None and self._is_backing_off and not self._workers:
            raise self._boot_error
        logger.debug("[POOL_MANAGER] Acquiring client from pool")
        self._is_kept_warm = True
        job = Job(turn)
        if not self._hand_over(job):
            job.has_waited = True
            self._waiters.join(job)
        self._grow()
        return Answer(job, self)

    async def wait_taken(self, job: Job) -> None:
        """Wait until a worker has the turn, for `acquire_timeout` at most.

        Raises `AcquireTimeout`, or what keeps every process from booting.
        """
        timeout = self._settings.acquire_timeout
        if not job.has_waited:
            return
        with trio.move_on_after(timeout):
            if await job.receive() is None and job.error is not None:
                raise job.error
            return
        if job.worker_id is not None:  # a worker came in the very tick of the deadline
            return
        self._counters.acquire_timeouts += 1
        logger.warning("[POOL] Could not acquire Claude connection within %ss timeout", timeout)
        raise AcquireTimeout(
            f"All Claude processes were busy for {timeout:g} s. Try again, or raise "
            f"`[pool_settings] max_size` ({self._limits.max_size}) or `acquire_timeout`."
        )

    def leave(self, job: Job) -> None:
        """The caller is done with the turn, or gives it up."""
        self._waiters.leave(job)
        job.abandon()

    def statistics(self) -> PoolStatistics:
        """The pool as it is now."""
        now = trio.current_time()
        counters = self._counters
        idle, booting = self._count(WorkerState.IDLE), self._count(WorkerState.BOOTING)
        return PoolStatistics(
            connections_created=counters.connections_created,
            connections_destroyed=counters.connections_destroyed,
            connections_reused=counters.connections_reused,
            acquire_timeouts=counters.acquire_timeouts,
            health_check_failures=counters.health_check_failures,
            total_connections=len(self._workers),
            available_connections=idle,
            in_use_connections=len(self._workers) - idle - booting,
            booting=booting,
            waiting=len(self._waiters),
            resets=counters.resets,
            boot_failures=counters.boot_failures,
            retirements=dict(counters.retirements),
            workers=tuple(_worker_statistics(one, now) for one in self._workers.values()),
        )

    # For workers: see `worker.Owner`.

    def booted(self, one: Worker) -> None:
        """A process has answered its first ping."""
        if self._boots_failed_in_a_row:
            logger.info("[POOL] The Claude CLI starts again")
        self._boots_failed_in_a_row = 0
        self._boot_error = None
        self._first_boot.set()
        logger.info(
            "[POOL] Created new connection %s (total: %d/%d)",
            one.id,
            len(self._workers),
            self._limits.max_size,
        )

    def next_job(self, one: Worker) -> Job | None:
        """A worker is free: the turn that it takes now, or None if it is to wait for one."""
        if one.state is WorkerState.RESETTING:
            self._counters.resets += 1
        one.state = WorkerState.IDLE
        one.idle_since = trio.current_time()
        job = self._waiters.first_for(one.bound, may_pass_first=self._is_first_covered())
        if job is not None:
            self._waiters.leave(job)
            self._assign(one, job)
        else:
            logger.debug(
                "[POOL] Released connection %s back to pool (available: %d, in_use: %d)",
                one.id,
                self._count(WorkerState.IDLE),
                self._count(WorkerState.BUSY),
            )
        self._grow()
        return job

    # The decisions.

    def _hand_over(self, job: Job) -> bool:
        """Hand a turn to an idle worker, if there is one for it.

        A process that is about to be clean again is worth a moment's wait: a new one costs many
        times that at its first turn.
        """
        system = job.turn.system
        may_bind = self._soon_free(system) <= self._waiters.of(system)
        chosen = policy.choose(system, self._in_state(WorkerState.IDLE), may_bind=may_bind)
        if chosen is None:
            return False
        try:
            chosen.hand_nowait(job)
        except trio.WouldBlock:  # the pool is being cancelled in this very tick
            raise PoolClosed("The server is stopping.") from None
        self._assign(chosen, job)
        return True

    def _is_first_covered(self) -> bool:
        """Whether a process is on its way that the first in line will have."""
        first = self._waiters.first
        return first is not None and any(
            one.state in {WorkerState.BOOTING, WorkerState.CLOSING}
            or (one.state is WorkerState.RESETTING and one.bound == first.turn.system)
            for one in self._workers.values()
        )

    def _soon_free(self, system: str) -> int:
        resetting = self._in_state(WorkerState.RESETTING)
        return sum(one.bound == system for one in resetting)

    def _uncovered(self) -> int:
        """How many wait that no process is about to be clean again for."""
        resetting = {one.bound for one in self._in_state(WorkerState.RESETTING)}
        covered = sum(
            min(self._waiters.of(system), self._soon_free(system))
            for system in resetting
            if system is not None
        )
        return len(self._waiters) - covered

    def _assign(self, one: Worker, job: Job) -> None:
        one.state = WorkerState.BUSY
        one.uses += 1
        job.worker_id = one.id
        if one.uses > 1:
            self._counters.connections_reused += 1
        logger.debug(
            "[POOL] Reusing existing connection %s (use_count: %d, pool_size: %d)",
            one.id,
            one.uses,
            len(self._workers),
        )
        logger.debug(
            "[POOL_MANAGER] Acquired pooled connection %s (use_count: %d)", one.id, one.uses
        )

    def _grow(self) -> None:
        """Boot what is wanted, or make room for it."""
        if not self._is_open or self._is_backing_off:
            return
        idle = self._in_state(WorkerState.IDLE)
        census = policy.Census(
            total=len(self._workers),
            booting=self._count(WorkerState.BOOTING),
            idle_unbound=sum(one.bound is None for one in idle),
            waiting=self._uncovered(),
        )
        limits = self._limits if self._is_kept_warm else policy.Limits(0, self._limits.max_size, 0)
        wanted = policy.boots_wanted(census, limits)
        if self._boot_error is not None:
            wanted = min(wanted, 1 - census.booting)  # one tries the water for all
        for _ in range(wanted):
            self._boot()
        closing = self._count(WorkerState.CLOSING)
        for one in policy.to_retire(idle, census, limits, closing):
            one.retire("made room")

    def _boot(self) -> None:
        one = Worker(token_hex(3), trio.current_time())
        self._workers[one.id] = one
        self._counters.connections_created += 1
        self._nursery.start_soon(self._run_worker, one, name=f"worker {one.id}")

    async def _run_worker(self, one: Worker) -> None:
        end: Exception
        try:
            end = await worker.run(one, self._launch, self, self._settings, self._max_line_size)
        except Exception as error:
            logger.exception("[POOL] Connection %s failed; this is a fault of the server", one.id)
            end = error
        finally:
            del self._workers[one.id]
            self._counters.connections_destroyed += 1
            logger.info(
                "[POOL] Destroyed connection %s (total remaining: %d)", one.id, len(self._workers)
            )
        self._ended(one, end)

    def _ended(self, one: Worker, end: Exception) -> None:
        if isinstance(end, BootFailed):
            self._counters.retirements["boot failed"] += 1
            self._boot_failed(end)
        else:
            reason = str(end) if isinstance(end, Retired) else "server fault"
            self._counters.retirements[reason] += 1
            if reason not in _EXPECTED_ENDS:
                logger.warning("[POOL] Connection %s was replaced: %s", one.id, reason)
        self._dispatch()
        self._grow()

    def _dispatch(self) -> None:
        """Hand over to idle workers what waited for one that is not coming any more."""
        while (first := self._waiters.first) is not None and self._hand_over(first):
            self._waiters.leave(first)

    def _boot_failed(self, error: BootFailed) -> None:
        self._counters.boot_failures += 1
        if self._boot_error is None or str(error) != str(self._boot_error):
            logger.error("[POOL] %s", error.message)
        self._boot_error = error
        self._first_boot.set()
        if not self._workers:
            self._waiters.fail_all(error)
        if not self._is_backing_off:
            self._is_backing_off = True
            self._nursery.start_soon(self._back_off, self._boots_failed_in_a_row)
            self._boots_failed_in_a_row += 1

    async def _back_off(self, failures: int) -> None:
        delay = min(_BACKOFF_LONGEST, _BACKOFF_FIRST * 2**failures)
        await trio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
        self._is_backing_off = False
        self._grow()

    # Life.

    async def wait_first_boot(self) -> None:
        """Wait until the first process has booted, or has failed to, if any is to."""
        if self._workers:
            await self._first_boot.wait()

    @property
    def trouble(self) -> str | None:
        """Why no process can be started just now; None when they can."""
        return None if self._boot_error is None else self._boot_error.message

    def start(self) -> None:
        """Boot the first processes, if they are to be warm from the start."""
        self._grow()

    def close(self) -> None:
        """Take no more turns; those that wait are told."""
        self._is_open = False
        self._waiters.fail_all(PoolClosed("The server is stopping."))

    def _in_state(self, state: WorkerState) -> list[Worker]:
        return [one for one in self._workers.values() if one.state is state]

    def _count(self, state: WorkerState) -> int:
        return sum(one.state is state for one in self._workers.values())

    def __repr__(self) -> str:
        states = " ".join(f"{one.id}:{one.state.value}" for one in self._workers.values())
        return f"<Pool, {len(self._waiters)} waiting, {states or 'no workers'}>"


_EXPECTED_ENDS = {"made room"}


def _worker_statistics(one: Worker, now: float) -> WorkerStatistics:
    return WorkerStatistics(
        id=one.id,
        pid=one.pid,
        state=one.state.value,
        bound=one.bound is not None,
        uses=one.uses,
        age=now - one.created_at,
        idle=now - one.idle_since if one.state is WorkerState.IDLE else 0.0,
    )


@asynccontextmanager
async def open_pool(
    settings: PoolSettings, launch: Launch, *, max_line_size: int
) -> AsyncGenerator[Pool]:
    """A pool that lives as long as the block; leaving it stops every process."""
    logger.info(
        "[POOL] Initializing Claude instance pool (min=%d, max=%d)",
        settings.min_size,
        settings.max_size,
    )
    async with trio.open_nursery() as nursery:
        pool = Pool(settings, launch, nursery, max_line_size)
        pool.start()
        try:
            await pool.wait_first_boot()
            yield pool
        finally:
            logger.info(
                "[POOL] Shutting down Claude instance pool (destroying %d connections)",
                len(pool.statistics().workers),
            )
            pool.close()
            nursery.cancel_scope.cancel(reason="the pool is closed")
    logger.info("[POOL] Claude instance pool shutdown complete")
