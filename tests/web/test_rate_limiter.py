"""How much a token may ask, at exact virtual times."""

import pytest
import trio
from trio.testing import MockClock

from trioproxy.errors import TooManyRequests
from trioproxy.settings import AuthSettings
from trioproxy.web.gate.rate_limiter import RateLimiter


def refused(limiter: RateLimiter, token: str) -> TooManyRequests:
    with pytest.raises(TooManyRequests) as caught, limiter.using(token):
        pass
    return caught.value


async def test_max_concurrent_is_per_token() -> None:  # noqa: ASYNC124 - trio's clock
    limiter = RateLimiter(AuthSettings(max_concurrent=2))
    with limiter.using("alice"), limiter.using("alice"):
        error = refused(limiter, "alice")
        assert (error.status, error.retry_after) == (429, 1)
        expected = "Concurrency limit for token 'alice' exceeded: 2 requests at once."
        assert str(error) == expected
        with limiter.using("bob"):
            pass
    with limiter.using("alice"):
        pass


async def test_max_per_minute_refills_with_time(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(AuthSettings(max_per_minute=3))
    for _ in range(3):
        with limiter.using("alice"):
            pass
    error = refused(limiter, "alice")
    assert str(error) == "Rate limit for token 'alice' exceeded: 3 requests per minute."
    assert error.retry_after == 21  # one more each 20 s
    with limiter.using("bob"):
        pass
    await trio.sleep(19.9)
    refused(limiter, "alice")
    await trio.sleep(0.2)
    with limiter.using("alice"):
        pass
    refused(limiter, "alice")
    await trio.sleep(3600)
    for _ in range(3):
        with limiter.using("alice"):
            pass
    refused(limiter, "alice")


async def test_limits_do_not_apply_without_a_token() -> None:  # noqa: ASYNC124 - trio's clock
    limiter = RateLimiter(AuthSettings(max_concurrent=1, max_per_minute=1))
    with limiter.using(""), limiter.using(""), limiter.using(""):
        pass
