"""What the pool counts, as plain data."""

from collections import Counter
from typing import Any

from attrs import asdict, define, field, frozen


@define(eq=False)
class Counters:
    """What only ever grows. The names of the first five are those of `/pool/stats`."""

    connections_created: int = 0
    connections_destroyed: int = 0
    connections_reused: int = 0
    acquire_timeouts: int = 0
    health_check_failures: int = 0
    resets: int = 0
    boot_failures: int = 0
    retirements: Counter[str] = field(factory=Counter)


@frozen
class WorkerStatistics:
    """One process, as it is now. Times in seconds; `pid` is None while it is being started."""

    id: str
    pid: int | None
    state: str
    bound: bool
    uses: int
    age: float
    idle: float


@frozen
class PoolStatistics:
    """The pool, as it is now.

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
    resets: int
    boot_failures: int
    retirements: dict[str, int]
    workers: tuple[WorkerStatistics, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return asdict(self)
