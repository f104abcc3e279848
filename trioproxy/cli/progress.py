"""Seconds, counted on a terminal while something takes its time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import trio

T = TypeVar("T")

_ERASE = "\r\x1b[K"


async def watched(label: str, work: Callable[[], Awaitable[T]], *, is_terminal: bool) -> T:
    """Do the `work`, which is not to raise; from the first second on, show how long it takes."""
    async with trio.open_nursery() as nursery:
        if is_terminal:
            nursery.start_soon(_count, label)
        result = await work()
        nursery.cancel_scope.cancel()
    return result


async def _count(label: str) -> None:
    began = trio.current_time()
    await trio.sleep(1)
    try:
        while True:
            seconds = trio.current_time() - began
            click.echo(f"{_ERASE}        {label}: {seconds:.0f} s", err=True, nl=False)
            await trio.sleep(1)
    finally:
        click.echo(_ERASE, err=True, nl=False)
