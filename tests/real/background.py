"""What is open in a loop and a thread of its own: for tests that are not async, or share it.

Hypothesis calls its tests, and pytest-trio has a loop for each of its own: a server that outlives
a test runs here. A test marked by `there` runs beside it, in the same loop.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import wraps
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import trio
from attrs import frozen

T = TypeVar("T")
Found = TypeVar("Found")


@frozen
class Background(Generic[T]):
    """Something open, whose trio is in another thread."""

    it: T
    _token: trio.lowlevel.TrioToken

    def run(self, function: Callable[[T], Awaitable[Found]]) -> Found:
        """Call an async function there, and wait for what it returns."""
        return trio.from_thread.run(function, self.it, trio_token=self._token)

    def part(self, part: Found) -> "Background[Found]":
        """Something else that is there."""
        return Background(part, self._token)


@contextmanager
def in_background(opened: AbstractAsyncContextManager[T]) -> Iterator[Background[T]]:
    """Keep `opened` open for as long as the block."""
    started: SimpleQueue[Background[T] | BaseException] = SimpleQueue()
    stop = trio.Event()

    async def serve() -> None:
        async with opened as it:
            started.put(Background(it, trio.lowlevel.current_trio_token()))
            await stop.wait()

    def run() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            started.put(error)
            raise

    thread = Thread(target=run, name="background")
    thread.start()
    found = started.get()
    if isinstance(found, BaseException):
        raise found
    try:
        yield found
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=found._token)
        thread.join()


def there(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that runs where its argument is that is in the background.

    It is no async function any more, so that pytest-trio leaves it alone.
    """

    @wraps(test)
    def run(**given: Any) -> None:
        (name,) = [name for name, value in given.items() if isinstance(value, Background)]

        async def beside(it: object) -> None:
            with trio.fail_after(60):
                await test(**given | {name: it})

        given[name].run(beside)

    return run
