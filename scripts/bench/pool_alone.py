"""What the pool itself costs: from the submission of a turn to its release, workers in memory.

    python pool_alone.py

Each line told is a number of waiters and of turns; told back is what a turn costs, in seconds. The
workers take a turn over their channel and end it at once; the pool's decisions, its bookkeeping
and the hand-off in both directions are its own, while the log is off. What a worker does for its
process is not there. `checkpoint` is what a bare pass through Trio's scheduler costs.
"""

import gc
import json
import logging
import sys
from contextlib import AbstractAsyncContextManager
from itertools import count
from time import perf_counter

import trio
from _child import tell

from trioproxy.claude.turn import Message, Turn
from trioproxy.pool import pool as pool_module
from trioproxy.pool.job import Signal
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import Launch, Pipes
from trioproxy.pool.worker import PoolCallbacks, Retired, Worker, WorkerState
from trioproxy.settings import PoolSettings

_WORKERS = 4
_TURN = Turn("claude-test", 100, (Message("user", ({"type": "text", "text": "Hello."},)),))


class InMemory(Worker):
    """A worker without a process: its life, less the exchange."""

    async def run(
        self, launch: Launch, pool: PoolCallbacks, settings: PoolSettings, max_line_size: int
    ) -> Retired:
        """Take turns, and end each at once."""
        del launch, settings, max_line_size
        self.pid, self.session.bound = 1, _TURN.system
        pool.booted(self)
        is_released = False
        while True:
            self._become(WorkerState.IDLE)
            job = pool.next_job(self, is_released=is_released) or await self.wait_for_job()
            if job is None:
                return Retired(self.end_reason)
            if job.has_waited:
                with job.caller_scope():
                    await job.tell(Signal.TAKEN)
            job.finish()
            job.timings.mark_done()
            self._become(WorkerState.RESETTING)
            pool.was_reset(0.0)
            pool.turn_is_over()
            is_released = True


def _launch() -> AbstractAsyncContextManager[Pipes]:
    raise AssertionError("a worker without a process starts none")


async def _ask(pool: Pool, turns: "count[int]", last: int) -> None:
    while next(turns) < last:
        with pool.submit(_TURN) as answer:
            await answer.wait_taken()
            await answer.receive()


async def _run(pool: Pool, waiters: int, turns: int) -> float:
    """So many callers, who are all there all the time."""
    numbers = count()
    gc.collect()
    begun = perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(waiters):
            nursery.start_soon(_ask, pool, numbers, turns)
    return (perf_counter() - begun) / turns


async def _checkpoint() -> float:
    begun = perf_counter()
    for _ in range(10_000):
        await trio.lowlevel.checkpoint()
    return (perf_counter() - begun) / 10_000


async def _measure(waiters: int, turns: int) -> dict[str, float]:
    settings = PoolSettings(
        min_size=_WORKERS,
        max_size=_WORKERS,
        max_waiting=100_000,
        acquire_timeout=600.0,
        max_requests=10_000_000,
    )
    async with open_pool(settings, _launch, max_line_size=1) as pool:
        await _run(pool, waiters, max(waiters, turns // 10))
        return {"seconds": await _run(pool, waiters, turns), "checkpoint": await _checkpoint()}


if __name__ == "__main__":
    vars(pool_module)["Worker"] = InMemory  # in place of one with a process
    logging.getLogger("trioproxy").setLevel(logging.WARNING)
    for line in sys.stdin:
        tell(trio.run(_measure, *json.loads(line)))
