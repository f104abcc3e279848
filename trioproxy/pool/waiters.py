"""The turns that wait, first come, first served; each operation costs the same at any length."""

from collections import OrderedDict

from trioproxy.errors import TrioproxyError
from trioproxy.pool.job import Job


class Waiters:
    """A queue that also finds the first turn with a given system prompt."""

    def __init__(self) -> None:
        self._all: OrderedDict[Job, None] = OrderedDict()
        self._by_system: dict[str, OrderedDict[Job, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def first(self) -> Job | None:
        """The one that has waited longest."""
        return next(iter(self._all), None)

    def __contains__(self, job: Job) -> bool:
        return job in self._all

    def of(self, system: str, *, before: Job | None = None) -> int:
        """How many wait with this system prompt; `before` itself is not counted."""
        same = self._by_system.get(system, OrderedDict())
        return len(same) - (before in same)

    def join(self, job: Job, *, ahead: bool = False) -> None:
        """Queue up at the end, or ahead of all."""
        same = self._by_system.setdefault(job.turn.system, OrderedDict())
        for queue in (self._all, same):
            queue[job] = None
            queue.move_to_end(job, last=not ahead)

    def leave(self, job: Job) -> None:
        """Step out, from any place; nothing happens if it is not in line."""
        if job not in self._all:
            return
        del self._all[job]
        same = self._by_system[job.turn.system]
        del same[job]
        if not same:
            del self._by_system[job.turn.system]

    def first_for(self, bound: str | None, *, may_pass_first: bool) -> Job | None:
        """The first that a worker bound to this prompt can serve; an unbound one can serve any.

        Without `may_pass_first`, only the very first in line counts.
        """
        first = self.first
        if first is None or bound in {None, first.turn.system}:
            return first
        if not may_pass_first:
            return None
        return next(iter(self._by_system.get(bound, ())), None)

    def fail_all(self, error: TrioproxyError) -> None:
        """Fail every waiting turn with `error`, and empty the queue."""
        waiting = list(self._all)
        self._all.clear()
        self._by_system.clear()
        for job in waiting:
            job.finish(error)
