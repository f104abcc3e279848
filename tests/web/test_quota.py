"""How much may be asked, at exact virtual times."""

import pytest
import trio
from trio.testing import MockClock

from trioproxy.errors import PoolClosed, TooManyRequests
from trioproxy.settings import AuthSettings
from trioproxy.web.gate.quota import Quota


def refused(quota: Quota, token: str) -> TooManyRequests:
    with pytest.raises(TooManyRequests) as caught, quota.using(token):
        pass
    return caught.value


async def test_as_many_at_once_as_a_token_may() -> None:  # noqa: ASYNC124 - trio's clock
    quota = Quota(AuthSettings(max_concurrent=2), 100, 100)
    with quota.using("alice"), quota.using("alice"):
        error = refused(quota, "alice")
        assert (error.status, error.retry_after) == (429, 1)
        assert "'alice' has 2 requests running" in str(error)
        with quota.using("bob"):
            assert quota.running == 3
    with quota.using("alice"):
        pass
    assert quota.running == 0


async def test_as_many_in_a_minute_as_a_token_may(autojump_clock: MockClock) -> None:
    quota = Quota(AuthSettings(max_per_minute=3), 100, 100)
    for _ in range(3):
        with quota.using("alice"):
            pass
    error = refused(quota, "alice")
    assert error.retry_after == 21  # one more each 20 s
    with quota.using("bob"):
        pass
    await trio.sleep(19.9)
    refused(quota, "alice")
    await trio.sleep(0.2)
    with quota.using("alice"):
        pass
    refused(quota, "alice")
    await trio.sleep(3600)
    for _ in range(3):
        with quota.using("alice"):
            pass
    refused(quota, "alice")


async def test_without_a_token_nobody_is_counted_apart() -> None:  # noqa: ASYNC124 - as above
    quota = Quota(AuthSettings(max_concurrent=1, max_per_minute=1), 3, 100)
    with quota.using(""), quota.using(""), quota.using(""):
        assert "3 requests are running here already" in str(refused(quota, ""))


async def test_closed_it_takes_nothing_and_tells_when_all_is_done(
    autojump_clock: MockClock,
) -> None:
    quota = Quota(AuthSettings(), 100, 100)

    async def run(seconds: float) -> None:
        with quota.using(""):
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        for seconds in (1, 5, 3):
            nursery.start_soon(run, seconds)
        await trio.sleep(0.5)
        quota.close()
        with pytest.raises(PoolClosed), quota.using(""):
            pass
        await quota.wait_idle()
        assert trio.current_time() == 5
    await quota.wait_idle()
