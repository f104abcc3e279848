"""The log lines that only time or load brings, word for word."""

import logging

import pytest
import trio
from attrs import evolve

from tests import fakes
from tests.fakes import FakeCLI, turn
from tests.pool.pools import ONE, ask, pool_of
from trioproxy.errors import AcquireTimeout

Clock = trio.testing.MockClock


def result(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_log_lines_of_growth_and_clean_up(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trioproxy")
    async with pool_of(FakeCLI(), evolve(ONE, max_size=10)) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, pool)
            nursery.start_soon(ask, pool)
        first, second = (worker.id for worker in pool.statistics().workers)
        await trio.sleep(400)
    lines = result(caplog)
    assert f"[POOL] Created new pooled connection {first}" in lines
    assert f"[POOL] Created new connection {second} (total: 2/10)" in lines
    closed = lines.index(f"[POOL] Cleaned up idle connection {first} (was idle for >=300 seconds)")
    assert lines[closed + 1] == f"[POOL] Destroyed connection {first} (total remaining: 1)"


async def test_log_line_of_acquire_timeout(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool_of(FakeCLI(kind=fakes.StallsMidAnswer)) as pool:
        with pool.submit(turn()), pytest.raises(AcquireTimeout):
            await ask(pool)
    assert "[POOL] Could not acquire Claude connection within 5.0s timeout" in result(caplog)
