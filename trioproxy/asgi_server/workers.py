"""The plain `hypercorn` command, and `trioproxy serve --workers`: Hypercorn serves, in processes.

Its worker builds its connections from a name of its own module, after the app's lifespan has
started; so for as long as that lives, the name is ours (`client_connections`). There is no other
way to have connections that fail one by one: see connection.py.

A worker that cannot start would be reported by a traceback of fifty lines, and its exit status is
lost (0.18: `hypercorn.run.run` joins the list that it has just emptied), so that the command ends
with 0. Such a worker ends itself, and its parent with it (`end_worker`).
"""

import gc
import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import SemLock

import hypercorn.trio.run
import trio
from hypercorn.config import Config
from hypercorn.run import run

from trioproxy.asgi_server.connection import ClientConnection, ConnectionLimit

_MODULES = {"hypercorn.trio.run", "hypercorn.asyncio.run"}


class ParentGone(Exception):
    """The process that started this worker is gone."""


def run_workers(config: Config, app: str, count: int) -> int:
    """Serve the app at an import path in `count` processes until a signal. The exit status."""
    config.application_path = app
    config.worker_class = "trio"
    config.workers = count
    return run(config)


@contextmanager
def client_connections(max_connections: int) -> Generator[None]:
    """Have Hypercorn's worker of this process serve with `ClientConnection`, within the block."""
    limit = ConnectionLimit(max_connections)
    worker = vars(hypercorn.trio.run)
    original = worker["TCPServer"]
    worker["TCPServer"] = partial(ClientConnection, limit=limit)
    try:
        yield
    finally:
        worker["TCPServer"] = original


async def wait_parent_gone() -> None:
    """Raise `ParentGone` when the process that Hypercorn started this worker from is gone.

    Hypercorn's parent stops its workers by an event that they poll; one that was killed cannot.
    Returns at once in a process that has no such parent.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        await trio.lowlevel.wait_readable(parent.sentinel)
        raise ParentGone("The parent process is gone.")


def end_worker(status: int) -> None:
    """End this worker of Hypercorn's, and its parent. Does nothing in any other process.

    For instance in a program that embeds the app, nothing but the startup ends.
    """
    target = getattr(multiprocessing.current_process(), "_target", None)
    if getattr(target, "__module__", "") not in _MODULES:
        return
    _release_semaphores()
    os.kill(os.getppid(), signal.SIGUSR1)  # by default the end, with a status that is not zero
    os._exit(status)


def _release_semaphores() -> None:
    """Do what the parent would do at its exit; else Python warns of a leak, on the terminal."""
    for lock in [held for held in gc.get_objects() if isinstance(held, SemLock)]:
        SemLock._cleanup(lock._semlock.name)  # type: ignore[attr-defined]  # noqa: SLF001 - as its own finalizer
