"""The counters and statistics of an upstream, as plain data."""

from collections import Counter, deque
from typing import Any

from attrs import asdict, define, field, frozen

from trioproxy.percentiles import Percentiles, latest


@define(eq=False)
class UpstreamCounters:
    """Counters, which only grow, and the latest times in seconds."""

    requests: int = 0
    connections_created: int = 0
    connections_closed: int = 0
    connections_reused: int = 0
    recreations: int = 0
    retries: int = 0
    pool_timeouts: int = 0
    clients_left: int = 0
    errors: Counter[str] = field(factory=Counter)
    wait_times: deque[float] = field(factory=latest)
    first_byte_times: deque[float] = field(factory=latest)
    total_times: deque[float] = field(factory=latest)


@frozen
class UpstreamStatistics:
    """One upstream, as it is now. Times in seconds; `waiting`: requests without a connection.

    `open_connections == in_use_connections + idle_connections`, and this is what was created and
    not yet closed. `reuse_rate`: the share of the requests that got a connection which had served
    before.
    """

    url: str
    state: str
    open_connections: int
    in_use_connections: int
    idle_connections: int
    waiting: int
    requests: int
    connections_created: int
    connections_closed: int
    connections_reused: int
    reuse_rate: float | None
    recreations: int
    retries: int
    pool_timeouts: int
    clients_left: int
    errors: dict[str, int]
    wait_seconds: Percentiles
    first_byte_seconds: Percentiles
    total_seconds: Percentiles

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
