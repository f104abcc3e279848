"""The turns that wait, first come, first served; each operation costs the same at any length."""

from collections import OrderedDict

from trioproxy.errors import TrioproxyError
from trioproxy.pool.job import Job


class Waiters:
    """A queue that a turn can leave from any place."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Job, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def first(self) -> Job | None:
        """The one that has waited longest."""
        return next(iter(self._jobs), None)

    def __contains__(self, job: Job) -> bool:
        return job in self._jobs

    def join(self, job: Job, *, ahead: bool = False) -> None:
        """Queue up at the end, or ahead of all."""
        self._jobs[job] = None
        self._jobs.move_to_end(job, last=not ahead)

    def leave(self, job: Job) -> None:
        """Step out, from any place; nothing happens if it is not in line."""
        self._jobs.pop(job, None)

    def fail_all(self, error: TrioproxyError) -> None:
        """Fail every waiting turn with `error`, and empty the queue."""
        waiting = list(self._jobs)
        self._jobs.clear()
        for job in waiting:
            job.finish(error.again())
