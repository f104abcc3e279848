"""The first processes of a pool: who waits for them, and for which."""

from collections.abc import Iterable

import trio
from trio_util import AsyncBool


class Warmup:
    """Is over when each of the first processes has booted, or is not coming."""

    def __init__(self) -> None:
        self._expected: set[str] = set()
        self._first = trio.Event()
        self._is_over = AsyncBool(False)

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._expected

    @property
    def has_seen_first(self) -> bool:
        """Whether any process has booted, or has failed to."""
        return self._first.is_set()

    def expect(self, worker_ids: Iterable[str]) -> None:
        """These are the first."""
        self._expected.update(worker_ids)

    def settled(self, worker_id: str) -> bool:
        """A process has booted, or is not coming: whether that ends the warm-up."""
        self._first.set()
        self._expected.discard(worker_id)
        return not self._expected and not self._is_over.value

    def end(self) -> None:
        """Tell those who wait for all."""
        self._is_over.value = True

    async def wait_first(self) -> None:
        """Wait until any process has booted, or has failed to."""
        await self._first.wait()

    async def wait_over(self) -> None:
        """Wait until all have."""
        await self._is_over.wait_value(True)
