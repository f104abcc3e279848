"""How much each token may ask: requests at once, and requests per minute."""

from collections.abc import Generator
from contextlib import contextmanager

import trio
from attrs import define, field

from trioproxy.errors import TooManyRequests
from trioproxy.settings import AuthSettings

_MINUTE = 60.0


@define(eq=False)
class _Bucket:
    """One token's requests that run, and how many more it may begin (a bucket that fills)."""

    running: int = 0
    left: float = 0.0
    as_of: float = 0.0


@define(eq=False)
class RateLimiter:
    """The limits of `[auth]`: `max_concurrent` and `max_per_minute`, each 0 for none."""

    _settings: AuthSettings
    _buckets: dict[str, _Bucket] = field(factory=dict)

    @contextmanager
    def using(self, token: str) -> Generator[None]:
        """One request of `token`, for as long as the block. Raises `TooManyRequests`.

        Without a token ("") there is no limit: callers cannot be told apart.
        """
        if not token:
            yield
            return
        bucket = self._begin(token, trio.current_time())
        try:
            yield
        finally:
            bucket.running -= 1

    def _begin(self, token: str, now: float) -> _Bucket:
        limit, rate = self._settings.max_concurrent, self._settings.max_per_minute
        bucket = self._buckets.setdefault(token, _Bucket(left=rate, as_of=now))
        if limit and bucket.running >= limit:
            raise TooManyRequests(
                f"Concurrency limit for token {token!r} exceeded: {limit} requests at once."
            )
        if rate:
            self._take(token, bucket, now, rate)
        bucket.running += 1
        return bucket

    def _take(self, token: str, bucket: _Bucket, now: float, rate: int) -> None:
        bucket.left = min(rate, bucket.left + (now - bucket.as_of) * rate / _MINUTE)
        bucket.as_of = now
        if bucket.left < 1:
            wait = (1 - bucket.left) * _MINUTE / rate
            raise TooManyRequests(
                f"Rate limit for token {token!r} exceeded: {rate} requests per minute.",
                retry_after=int(wait) + 1,
            )
        bucket.left -= 1
