"""What runs in all, and the end of the server, at exact virtual times."""

import pytest
import trio
from trio.testing import MockClock

from trioproxy.errors import PoolClosed, TooManyRequests
from trioproxy.web.gate.drain_gate import DrainGate


def test_max_concurrent_requests_is_for_all_callers() -> None:
    gate = DrainGate(3)
    with gate.entering(), gate.entering(), gate.entering():
        assert gate.running.value == 3
        with pytest.raises(TooManyRequests, match="limit of 3 requests"), gate.entering():
            pass
    assert gate.running.value == 0


async def test_drain_takes_nothing_new_and_ends_with_the_last_request(
    autojump_clock: MockClock,
) -> None:
    gate = DrainGate(100)

    async def run(seconds: float) -> None:
        with gate.entering():
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        for seconds in (1, 5, 3):
            nursery.start_soon(run, seconds)
        await trio.sleep(0.5)
        gate.close()
        with pytest.raises(PoolClosed), gate.entering():
            pass
        await gate.wait_idle()
        assert trio.current_time() == 5
    await gate.wait_idle()
