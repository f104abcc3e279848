"""How much each token may ask, at once and in a minute, and all callers together."""

from collections.abc import Generator
from contextlib import contextmanager

import trio
from attrs import define, field

from trioproxy.errors import PoolClosed, TooManyRequests
from trioproxy.settings import AuthSettings

_MINUTE = 60.0


@define(eq=False)
class _Use:
    """Of one token: requests that run, and how many more it may begin (a bucket that fills)."""

    running: int = 0
    left: float = 0.0
    as_of: float = 0.0


@define(eq=False)
class Quota:
    """Counts what runs. `is_closed`: the server stops, and takes nothing new."""

    _settings: AuthSettings
    _max_requests: int
    max_connections: int
    running: int = 0
    is_closed: bool = False
    _uses: dict[str, _Use] = field(factory=dict)
    _idle: trio.Event = field(factory=trio.Event)

    @contextmanager
    def using(self, token: str) -> Generator[None]:
        """One request of `token`. Raises `TooManyRequests` or `PoolClosed`."""
        use = self._begin(token, trio.current_time())
        try:
            yield
        finally:
            use.running -= 1
            self.running -= 1
            if not self.running:
                self._idle.set()

    def _begin(self, token: str, now: float) -> _Use:
        if self.is_closed:
            raise PoolClosed("The server is stopping.")
        if self.running >= self._max_requests:
            raise TooManyRequests(f"{self.running} requests are running here already.")
        use = self._uses.setdefault(token, _Use(left=self._settings.max_per_minute, as_of=now))
        if token:
            self._check(token, use, now)
        use.running += 1
        self.running += 1
        return use

    def _check(self, token: str, use: _Use, now: float) -> None:
        most, rate = self._settings.max_concurrent, self._settings.max_per_minute
        if most and use.running >= most:
            raise TooManyRequests(f"The token {token!r} has {most} requests running already.")
        if not rate:
            return
        use.left = min(rate, use.left + (now - use.as_of) * rate / _MINUTE)
        use.as_of = now
        if use.left < 1:
            wait = (1 - use.left) * _MINUTE / rate
            raise TooManyRequests(
                f"The token {token!r} has asked {rate} times in a minute.",
                retry_after=int(wait) + 1,
            )
        use.left -= 1

    def close(self) -> None:
        """Take nothing new from now on."""
        self.is_closed = True

    async def wait_idle(self) -> None:
        """Wait until nothing runs."""
        while self.running:
            self._idle = trio.Event()
            await self._idle.wait()
