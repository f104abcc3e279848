"""What is known of a turn when nothing more will be: told once, whatever became of it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeAlias

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock, wait_all_tasks_blocked

from tests import fakes
from tests.fakes import ANSWER, BOOT, COST, FakeCLI, ResetsSlowly, turn
from trioproxy.errors import PoolClosed, TrioproxyError
from trioproxy.pool.job import Lease, TurnTimings
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import PoolSettings

ONE = PoolSettings(min_size=1, max_size=1, acquire_timeout=2.0, reset_timeout=3.0)
PATIENCE = 0.4  # of a client that leaves in mid answer

Client: TypeAlias = Callable[[Lease], Awaitable[None]]


async def reads(answer: Lease) -> None:
    with suppress(TrioproxyError):
        await answer.wait_taken()
        async for _ in answer:
            pass


async def leaves(answer: Lease) -> None:
    with trio.move_on_after(PATIENCE):
        await reads(answer)


async def leaves_at_once(answer: Lease) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def busy(pool: Pool) -> AsyncGenerator[None]:
    """The only process has another turn, and nobody reads its answer."""
    with pool.submit(turn("another")):
        await wait_all_tasks_blocked()
        yield


@asynccontextmanager
async def free(pool: Pool) -> AsyncGenerator[None]:
    yield


@frozen
class End:
    """What becomes of a turn; `settled`: how long after it was submitted all was known."""

    name: str
    settled: float
    cost: float | None
    client: Client = reads
    planned: tuple[fakes.Kind, ...] = ()
    settings: PoolSettings = ONE
    around: Callable[[Pool], AbstractAsyncContextManager[None]] = free

    def __str__(self) -> str:
        return self.name


TWICE = BOOT + ANSWER  # another process has to boot first
NEVER = evolve(ONE, reuse="never")
FEW = evolve(ONE, turn_timeout=0.6, event_timeout=60.0)

ENDS = [
    End("answered", ANSWER, COST),
    End("the client leaves", PATIENCE, COST, leaves),
    End("the client leaves at once", 0, COST, leaves_at_once),
    End("single use", ANSWER, COST, settings=NEVER),
    End("single use, and the client leaves", PATIENCE, None, leaves, settings=NEVER),
    End("no pool", TWICE, COST, settings=evolve(ONE, enabled=False)),
    End("too slow", 0.6, COST, settings=FEW),
    End("nobody is free", 2, None, around=busy),
    End("the client leaves the line", PATIENCE, None, leaves, around=busy),
    End("the process dies", 0.25, None, planned=(fakes.DiesMidAnswer,)),
    End("the process dies unseen", TWICE, COST, planned=(fakes.DiesUnseen,)),
    End("both processes die unseen", BOOT, None, planned=(fakes.DiesUnseen,) * 2),
    End("the process does not rewind", ANSWER, COST, planned=(fakes.NeverRewinds,)),
    End("the process stalls", PATIENCE, COST, leaves, (fakes.StallsMidAnswer,)),
    End("the process hangs", PATIENCE + 3, None, leaves, (fakes.StallsForGood,)),
]


@pytest.mark.parametrize("end", ENDS, ids=str)
async def test_turn_timings_are_complete_once(autojump_clock: MockClock, end: End) -> None:
    result: list[TurnTimings] = []
    cli = FakeCLI(planned=list(end.planned))
    async with open_pool(end.settings, cli, max_line_size=1_000_000) as pool:
        async with end.around(pool):
            begun = trio.current_time()
            with pool.submit(turn()) as answer:
                timings = answer.timings
                timings.on_done(lambda: result.append(timings))
                assert result == []
                await end.client(answer)
            await trio.sleep(10)
        assert result == [timings]
        assert timings.done_at == pytest.approx(begun + end.settled)
        assert timings.cost == end.cost
        assert sum(pool.statistics().cost_usd.values()) == (end.cost or 0)
    assert result == [timings]
    timings.on_done(lambda: result.append(timings))
    assert result == [timings] * 2


async def test_turn_timings_are_complete_after_a_stop(autojump_clock: MockClock) -> None:
    result: list[TurnTimings] = []
    settings = evolve(ONE, drain_timeout=0.1)

    async def ask() -> None:
        with pool.submit(turn()) as answer:
            answer.timings.on_done(lambda: result.append(answer.timings))
            await reads(answer)

    async with (
        trio.open_nursery() as nursery,
        open_pool(settings, FakeCLI(), max_line_size=1_000_000) as pool,
    ):
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.sleep(0.5)
        assert result == []
    assert len(result) == len(set(map(id, result))) == 3


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_stop_in_the_tick_of_the_hand_over_loses_nothing(
    autojump_clock: MockClock, *, is_cancelled: bool
) -> None:
    result: list[TurnTimings] = []
    settings = evolve(ONE, drain_timeout=0.0)
    with trio.CancelScope() as stop:
        async with open_pool(settings, FakeCLI(), max_line_size=1_000_000) as pool:
            await wait_all_tasks_blocked()
            answer = pool.submit(turn())
            answer.timings.on_done(lambda: result.append(answer.timings))
            if is_cancelled:
                stop.cancel()
    with answer, trio.fail_after(1), pytest.raises(PoolClosed):
        await answer.receive()
    assert result == [answer.timings]


async def test_cost_is_of_each_turn_of_a_process(autojump_clock: MockClock) -> None:
    async with open_pool(ONE, FakeCLI(), max_line_size=1_000_000) as pool:
        costs = []
        for _ in range(3):
            with pool.submit(turn()) as answer:
                await reads(answer)
            await wait_all_tasks_blocked()
            costs.append(answer.timings.cost)
        assert costs == [COST] * 3
        assert sum(pool.statistics().cost_usd.values()) == 3 * COST


async def test_turn_timings_have_the_reset(autojump_clock: MockClock) -> None:
    async with open_pool(ONE, FakeCLI(kind=ResetsSlowly), max_line_size=1_000_000) as pool:
        with pool.submit(turn()) as answer:
            await reads(answer)
        ended = trio.current_time()
        timings = answer.timings
        assert timings.done_at is None
        await trio.sleep(2)
        times = [timings.reset_at, timings.done_at]
        assert times == [ended, ended + 1]
