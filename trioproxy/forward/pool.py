"""The connections to one upstream: who gets which, which are kept.

At most `max_connections` requests have a connection; the others wait in line, first come first
served. The connection used last is used next, so that what a peak has built grows old and is
closed; at most `max_keepalive_connections` are kept idle for more than a moment, and each for
`keepalive_expiry` seconds.

A pool that is broken is made anew (`renew`): what is idle is closed, what is in use finishes its
request and is closed then, and new requests get new connections with new TLS settings.
"""

from collections import deque
from collections.abc import Callable, Iterable

import trio
from attrs import define, field, frozen

from trioproxy.errors import UpstreamBusy
from trioproxy.forward.condition import Condition
from trioproxy.forward.connection import Connection
from trioproxy.forward.stats import UpstreamCounters, UpstreamStatistics
from trioproxy.forward.upstream import Upstream
from trioproxy.percentiles import Percentiles

# Seconds. Many answers come at once, and as many requests follow: without it, each of them
# beyond `max_keepalive_connections` would open a connection (879 -> 280 opened in 4,000 requests).
_MOMENT = 1.0

Open = Callable[[], Connection]


@frozen
class UpstreamLimits:
    """Of the connections to one upstream; times in seconds."""

    max_connections: int
    max_keepalive_connections: int
    keepalive_expiry: float
    pool_timeout: float


@define(eq=False)
class UpstreamPool:
    """The connections to one upstream. `open` creates one, which connects at its first request."""

    upstream: Upstream
    _limits: UpstreamLimits
    _open: Open
    tally: UpstreamCounters = field(factory=UpstreamCounters)
    condition: Condition = field(factory=Condition)
    _idle: deque[Connection] = field(factory=deque)  # the one used last at the end
    _in_use: set[Connection] = field(factory=set)
    _outdated: set[Connection] = field(factory=set)  # in use, of before a renewal
    _slots: trio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._slots = trio.Semaphore(self._limits.max_connections)

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """A connection for one request, to be released; `fresh`: one that never served.

        Raises `UpstreamBusy` after `pool_timeout`.
        """
        await self._wait_slot()
        try:
            connection, stale = self._take(trio.current_time(), fresh=fresh)
        except BaseException:
            self._slots.release()
            raise
        await _close(stale)  # which cannot be cancelled
        return connection

    async def release(self, connection: Connection) -> None:
        """Take back a connection whose request is over. Cannot be cancelled once it is in."""
        surplus = self._give_back(connection, trio.current_time())
        self._slots.release()
        await _close(surplus)

    async def _wait_slot(self) -> None:
        begun = trio.current_time()
        with trio.move_on_after(self._limits.pool_timeout) as waiting:
            await self._slots.acquire()
        if waiting.cancelled_caught:
            self.tally.pool_timeouts += 1
            raise UpstreamBusy(
                f"All {self._limits.max_connections} connections to the upstream "
                f"{self.upstream.name!r} stayed busy for {self._limits.pool_timeout:g} s."
            )
        self.tally.wait_times.append(trio.current_time() - begun)

    def _take(self, now: float, *, fresh: bool) -> tuple[Connection, list[Connection]]:
        """A connection for one request, and the stale ones to close.

        In this order: the idle connection used last, if it is still open; else a new one, for
        which the oldest idle one makes room when the pool is full.
        """
        stale = self.expire(now)
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.is_stale:
                self.tally.connections_reused += 1
                self._in_use.add(connection)
                return connection, stale
            stale += self._closing([connection])
        if self._idle and len(self._idle) + len(self._in_use) >= self._limits.max_connections:
            stale += self._closing([self._idle.popleft()])
        connection = self._open()
        self.tally.connections_created += 1
        self._in_use.add(connection)
        return connection, stale

    def _give_back(self, connection: Connection, now: float) -> list[Connection]:
        """Keep a connection, or drop it. Returns the connections to close."""
        self._in_use.discard(connection)
        if connection in self._outdated or not connection.is_open:
            self._outdated.discard(connection)
            return self._closing([connection])
        connection.idle_since = now
        self._idle.append(connection)
        return self._surplus(now)

    def _surplus(self, now: float) -> list[Connection]:
        """Drop idle connections beyond `max_keepalive_connections`, except those just returned.

        Returns the connections to close.
        """
        kept, found = self._limits.max_keepalive_connections, []
        moment = _MOMENT if kept else 0.0
        while len(self._idle) > kept and now >= self._idle[0].idle_since + moment:
            found.append(self._idle.popleft())
        return self._closing(found)

    def _closing(self, connections: list[Connection]) -> list[Connection]:
        self.tally.connections_closed += len(connections)
        return connections

    def expire(self, now: float) -> list[Connection]:
        """Drop connections that were idle for `keepalive_expiry`. Returns those to close."""
        expired = []
        while self._idle and now >= self._idle[0].idle_since + self._limits.keepalive_expiry:
            expired.append(self._idle.popleft())
        return self._closing(expired)

    def check(self, now: float) -> list[Connection]:
        """Drop idle connections that are closed, too old or too many. Returns those to close."""
        stale = [connection for connection in self._idle if connection.is_stale]
        for connection in stale:
            self._idle.remove(connection)
        return self.expire(now) + self._surplus(now) + self._closing(stale)

    def renew(self, open_connection: Open) -> list[Connection]:
        """Replace all connections; those in use finish first. Returns the connections to close."""
        self._open = open_connection
        self.tally.recreations += 1
        self._outdated |= self._in_use
        return self.clear()

    def clear(self) -> list[Connection]:
        """Drop all idle connections. Returns the connections to close."""
        idle = list(self._idle)
        self._idle.clear()
        return self._closing(idle)

    def statistics(self) -> UpstreamStatistics:
        """The counters and gauges, now."""
        tally = self.tally
        taken = tally.connections_created + tally.connections_reused
        return UpstreamStatistics(
            url=self.upstream.url,
            state="failing" if self.condition.is_failing else "ok",
            open_connections=len(self._in_use) + len(self._idle),
            in_use_connections=len(self._in_use),
            idle_connections=len(self._idle),
            waiting=self._slots.statistics().tasks_waiting,
            requests=tally.requests,
            connections_created=tally.connections_created,
            connections_closed=tally.connections_closed,
            connections_reused=tally.connections_reused,
            reuse_rate=tally.connections_reused / taken if taken else None,
            recreations=tally.recreations,
            retries=tally.retries,
            pool_timeouts=tally.pool_timeouts,
            clients_left=tally.clients_left,
            errors=dict(tally.errors),
            wait_seconds=Percentiles.of(tally.wait_times),
            first_byte_seconds=Percentiles.of(tally.first_byte_times),
            total_seconds=Percentiles.of(tally.total_times),
        )


async def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        await connection.aclose()
