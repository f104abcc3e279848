"""How many requests run in all, and the end of the server: nothing new, until none is left."""

from collections.abc import Generator
from contextlib import contextmanager

from attrs import define, field
from trio_util import AsyncValue

from trioproxy.errors import PoolClosed, TooManyRequests


@define(eq=False)
class DrainGate:
    """Counts the requests of all callers.

    `limit`: how many may run at once. `is_closed`: the server stops, and takes nothing new.
    """

    limit: int
    is_closed: bool = False
    running: AsyncValue[int] = field(factory=lambda: AsyncValue(0))

    @contextmanager
    def entering(self) -> Generator[None]:
        """One request, for as long as the block. Raises `PoolClosed` or `TooManyRequests`."""
        if self.is_closed:
            raise PoolClosed("The server is stopping.")
        if self.running.value >= self.limit:
            raise TooManyRequests(f"The server's limit of {self.limit} requests is reached.")
        self.running.value += 1
        try:
            yield
        finally:
            self.running.value -= 1

    def close(self) -> None:
        """Take nothing new from now on."""
        self.is_closed = True

    async def wait_idle(self) -> None:
        """Wait until nothing runs."""
        await self.running.wait_value(0)
