"""A server in a thread of its own, for tests that are not async: Hypothesis calls them."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

import trio
from attrs import frozen

from tests.real.comparing import Both, both_ways
from trioproxy.settings import PoolSettings

T = TypeVar("T")


@frozen
class Background:
    """A `Both` whose trio is in another thread."""

    both: Both
    _token: trio.lowlevel.TrioToken

    def run(self, function: Callable[[Both], Awaitable[T]]) -> T:
        """Call an async function there, and wait for what it returns."""
        return trio.from_thread.run(function, self.both, trio_token=self._token)


@contextmanager
def in_background(tmp_path: Path, pool: PoolSettings) -> Iterator[Background]:
    """Run for as long as the block."""
    started: SimpleQueue[Background | BaseException] = SimpleQueue()
    stop = trio.Event()

    async def serve() -> None:
        async with both_ways(tmp_path, pool) as both:
            started.put(Background(both, trio.lowlevel.current_trio_token()))
            await stop.wait()

    def run() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            started.put(error)
            raise

    thread = Thread(target=run, name="server")
    thread.start()
    found = started.get()
    if isinstance(found, BaseException):
        raise found
    try:
        yield found
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=found._token)
        thread.join()
