"""The workers of a pool, and the counts that decisions are based on."""

from collections.abc import Iterator

from trioproxy.pool.policy import Census
from trioproxy.pool.worker import Worker, WorkerState

SOON = 0.25
"""Seconds that a reset takes at most, if it is to be worth waiting for: 10 times the usual."""


class WorkerSet:
    """The workers by id, in the order in which they came."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __contains__(self, worker: Worker) -> bool:
        return worker.id in self._workers

    def add(self, worker: Worker) -> None:
        """Take in a worker."""
        self._workers[worker.id] = worker

    def remove(self, worker: Worker) -> None:
        """Let a worker go."""
        del self._workers[worker.id]

    def in_state(self, state: WorkerState) -> list[Worker]:
        """Workers in `state`."""
        return [worker for worker in self._workers.values() if worker.state is state]

    def count(self, state: WorkerState) -> int:
        """The number of workers in `state`."""
        return len(self.in_state(state))

    def soon_free(self, now: float) -> int:
        """How many are about to be clean again."""
        resetting = self.in_state(WorkerState.RESETTING)
        return sum(now < worker.since + SOON for worker in resetting)

    def census(self, waiting: int, now: float) -> Census:
        """The counts, as decisions need them: nobody waits whom a reset will soon serve."""
        booting = closing = fresh = kept = soon_free = 0
        for worker in self._workers.values():  # once: this is asked twice for each turn
            match worker.state:
                case WorkerState.BOOTING:
                    booting += 1
                case WorkerState.CLOSING:
                    closing += 1
                case WorkerState.IDLE:
                    fresh += not (worker.uses or worker.is_outdated)
                    kept += worker.standing > 0
                case WorkerState.RESETTING if now < worker.since + SOON:
                    soon_free += 1
                case _:
                    pass
        waiting = max(0, waiting - soon_free)
        return Census(len(self._workers), booting, closing, fresh, waiting, kept)
