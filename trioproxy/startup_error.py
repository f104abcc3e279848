"""How a server ends that cannot start: one readable line for each reason, and a status.

Under the plain `hypercorn` command this runs in a worker that Hypercorn started, and Hypercorn
has two ways of its own that hide the reason: a startup that fails prints a traceback of fifty
lines, and the exit status of the one worker that failed is lost, so that the command ends with 0
(0.18: `hypercorn.run.run` joins the list that it has just emptied). So such a worker ends itself,
and its parent with it. Anywhere else, for instance in a program that embeds the app, nothing is
ended but the startup.
"""

import gc
import os
import signal
import sys
from collections.abc import Iterable
from multiprocessing import current_process
from multiprocessing.synchronize import SemLock

STATUS = 2


def report(problems: Iterable[str]) -> None:
    """Print the reasons."""
    for problem in problems:
        print(f"trioproxy: {problem}", file=sys.stderr, flush=True)  # noqa: T201 - for a terminal


def end_under_hypercorn() -> None:
    """End this worker of Hypercorn's and its parent; nothing happens if it is none."""
    if not _is_worker():
        return
    _release_semaphores()
    os.kill(os.getppid(), signal.SIGUSR1)  # by default the end, with a status that is not zero
    os._exit(STATUS)


def _is_worker() -> bool:
    target = getattr(current_process(), "_target", None)
    return getattr(target, "__module__", "") in {"hypercorn.trio.run", "hypercorn.asyncio.run"}


def _release_semaphores() -> None:
    """What the parent would do at its exit, or else Python warns of a leak, on the terminal."""
    for lock in [held for held in gc.get_objects() if isinstance(held, SemLock)]:
        SemLock._cleanup(lock._semlock.name)  # type: ignore[attr-defined]  # noqa: SLF001 - above
