"""The counters and statistics of the pool, as plain data."""

from collections import Counter, defaultdict, deque
from typing import Any, Self

from attrs import asdict, define, field, frozen

from trioproxy.percentiles import Percentiles, latest
from trioproxy.pool.worker import Worker, WorkerState


@define(eq=False)
class PoolCounters:
    """Counters, which only grow, and the latest times in seconds."""

    connections_created: int = 0
    connections_destroyed: int = 0
    connections_reused: int = 0
    acquire_timeouts: int = 0
    health_check_failures: int = 0
    boots: int = 0
    boot_failures: int = 0
    resets: int = 0
    retries: int = 0
    turn_timeouts: int = 0
    messages_kept: int = 0
    messages_replayed: int = 0
    retirements: Counter[str] = field(factory=Counter)
    cost: dict[str, float] = field(factory=lambda: defaultdict(float))
    boot_times: deque[float] = field(factory=latest)
    wait_times: deque[float] = field(factory=latest)
    reset_times: deque[float] = field(factory=latest)

    def booted(self, seconds: float) -> None:
        """A process has come up."""
        self.boots += 1
        self.boot_times.append(seconds)

    def was_reset(self, seconds: float) -> None:
        """A process has proved that nothing is left of its turn."""
        self.resets += 1
        self.reset_times.append(seconds)

    def assigned(self, waited: float, *, is_reuse: bool) -> None:
        """A turn has found its worker, after `waited` seconds."""
        self.connections_reused += is_reuse
        self.wait_times.append(waited)


@frozen
class WorkerStatistics:
    """One process, as it is now. Times in seconds; `rss` in bytes, as of its last turn.

    `pid` is None while it is being started, `rss` where the system does not report it; `messages`:
    how many of a conversation stand in it.
    """

    id: str
    pid: int | None
    state: str
    bound: bool
    uses: int
    age: float
    idle: float
    rss: int | None
    messages: int

    @classmethod
    def of(cls, worker: Worker, now: float) -> Self:
        """The statistics of `worker`, at `now` on the pool's clock."""
        return cls(
            id=worker.id,
            pid=worker.pid,
            state=worker.state.value,
            bound=worker.has_prompt,
            uses=worker.uses,
            age=now - worker.created_at,
            idle=now - worker.since if worker.state is WorkerState.IDLE else 0.0,
            rss=worker.rss,
            messages=worker.standing,
        )


@frozen
class PoolStatistics:
    """The pool, as it is now. The first eight keys are those that `/pool/stats` has always had.

    `connections_created - connections_destroyed == total_connections`, and
    `total_connections == available_connections + in_use_connections + booting`.
    """

    connections_created: int
    connections_destroyed: int
    connections_reused: int
    acquire_timeouts: int
    health_check_failures: int
    total_connections: int
    available_connections: int
    in_use_connections: int
    booting: int
    waiting: int
    boots: int
    boot_failures: int
    boot_seconds: Percentiles
    wait_seconds: Percentiles
    resets: int
    reset_seconds: Percentiles
    retries: int
    turn_timeouts: int
    messages_kept: int
    messages_replayed: int
    retirements: dict[str, int]
    cost_usd: dict[str, float]
    workers: tuple[WorkerStatistics, ...]

    @classmethod
    def of(
        cls,
        tally: PoolCounters,
        *,
        available: int,
        booting: int,
        waiting: int,
        workers: tuple[WorkerStatistics, ...],
    ) -> Self:
        """Put counts and gauges together. What is neither available nor booting is in use."""
        return cls(
            connections_created=tally.connections_created,
            connections_destroyed=tally.connections_destroyed,
            connections_reused=tally.connections_reused,
            acquire_timeouts=tally.acquire_timeouts,
            health_check_failures=tally.health_check_failures,
            total_connections=len(workers),
            available_connections=available,
            in_use_connections=len(workers) - available - booting,
            booting=booting,
            waiting=waiting,
            boots=tally.boots,
            boot_failures=tally.boot_failures,
            boot_seconds=Percentiles.of(tally.boot_times),
            wait_seconds=Percentiles.of(tally.wait_times),
            resets=tally.resets,
            reset_seconds=Percentiles.of(tally.reset_times),
            retries=tally.retries,
            turn_timeouts=tally.turn_timeouts,
            messages_kept=tally.messages_kept,
            messages_replayed=tally.messages_replayed,
            retirements=dict(tally.retirements),
            cost_usd=dict(tally.cost),
            workers=workers,
        )

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
