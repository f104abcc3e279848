"""What a caller gets when an answer takes too long, at its exact second; the process after it."""

import pytest
import trio
from attrs import evolve, frozen

from tests import fakes
from tests.fakes import BOOT, FakeCLI, GoesOnForEver, Kind, NeverBegins, turn
from tests.pool.pools import ONE, ask, pool_of
from trioproxy.errors import TurnTimeout
from trioproxy.settings import PoolSettings

Clock = trio.testing.MockClock


@frozen
class Deadline:
    """A process, a setting, and when what is said."""

    kind: Kind
    settings: PoolSettings
    at: float
    text: str


DEADLINES = [
    Deadline(
        NeverBegins,
        evolve(ONE, first_event_timeout=40.0, event_timeout=10.0, turn_timeout=50.0),
        40.0,
        "The answer did not begin within 40 s (`first_event_timeout`).",
    ),
    Deadline(
        fakes.StallsMidAnswer,
        evolve(ONE, first_event_timeout=10.0, event_timeout=40.0, turn_timeout=50.0),
        40.0,
        "The answer did not continue within 40 s (`event_timeout`).",
    ),
    Deadline(
        GoesOnForEver,
        evolve(ONE, first_event_timeout=2.0, event_timeout=2.0, turn_timeout=30.5),
        30.5,
        "The answer was not complete within 30.5 s (`turn_timeout`).",
    ),
    Deadline(
        fakes.StallsMidAnswer,
        evolve(ONE, event_timeout=40.0, turn_timeout=20.0),
        20.0,
        "The answer was not complete within 20 s (`turn_timeout`).",
    ),
]


@pytest.mark.parametrize("deadline", DEADLINES, ids=lambda case: case.text)
async def test_turn_deadlines_pass(autojump_clock: Clock, deadline: Deadline) -> None:
    cli = FakeCLI(planned=[deadline.kind])
    async with pool_of(cli, deadline.settings) as pool:
        start = trio.current_time()
        with pytest.raises(TurnTimeout) as caught:
            await ask(pool)
        assert trio.current_time() - start == deadline.at
        assert caught.value.message == deadline.text
        assert (caught.value.status, caught.value.type) == (504, "timeout_error")
        await trio.sleep(1)
        stats = pool.statistics()
        assert stats.turn_timeouts == 1
        assert stats.retirements == {}  # it was interrupted, and proven clean
        assert stats.available_connections == 1
    assert cli.launched[0].interrupts == 1


async def test_event_timeout_does_not_count_the_callers_reading(autojump_clock: Clock) -> None:
    async with pool_of(FakeCLI(), evolve(ONE, event_timeout=2.0, turn_timeout=100.0)) as pool:
        with pool.submit(turn()) as answer:
            async for _ in answer:
                await trio.sleep(10)
        await trio.sleep(1)
        assert pool.statistics().turn_timeouts == 0
        assert pool.statistics().resets == 1
    assert trio.current_time() > BOOT + 40


async def test_first_event_timeout_does_not_count_the_queue(autojump_clock: Clock) -> None:
    settings = evolve(ONE, first_event_timeout=1.5, acquire_timeout=50.0)
    async with pool_of(FakeCLI(), settings) as pool, trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(ask, pool)
    assert pool.statistics().turn_timeouts == 0


def test_turn_deadlines_are_above_half_a_minute_by_default() -> None:
    usual = PoolSettings()
    deadlines = (usual.first_event_timeout, usual.event_timeout, usual.turn_timeout)
    assert min(deadlines) >= 300
