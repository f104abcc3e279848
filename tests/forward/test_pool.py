"""The connections to one upstream, at exact virtual times. The connections are fakes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from trioproxy.errors import UpstreamBusy
from trioproxy.forward.connection import Connection
from trioproxy.forward.pool import UpstreamLimits, UpstreamPool
from trioproxy.forward.upstream import read_upstream

LIMITS = UpstreamLimits(
    max_connections=2, max_keepalive_connections=2, keepalive_expiry=300.0, pool_timeout=5.0
)
API = read_upstream("api", "http://api.example")


@define(eq=False)
class FakeConnection:
    number: int
    is_open: bool = True
    is_stale: bool = False
    is_closed: bool = False
    idle_since: float = 0.0
    seconds_to_close: float = 0.0

    async def aclose(self) -> None:
        assert not self.is_closed
        with trio.CancelScope(shield=True):
            await trio.sleep(self.seconds_to_close)
        self.is_closed = True
        self.is_open = False


@define
class Upstream:
    """Opens connections, and counts them."""

    opened: list[FakeConnection] = field(factory=list)

    def open(self) -> Connection:
        self.opened.append(FakeConnection(len(self.opened) + 1))
        return cast(Connection, self.opened[-1])

    @property
    def live(self) -> list[int]:
        return [item.number for item in self.opened if not item.is_closed]


def number(connection: Connection) -> int:
    return cast(FakeConnection, connection).number


@define
class Bench:
    """A pool over fakes."""

    limits: UpstreamLimits = LIMITS
    upstream: Upstream = field(factory=Upstream)
    pool: UpstreamPool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pool = UpstreamPool(API, self.limits, self.upstream.open)

    @asynccontextmanager
    async def using(self, *, fresh: bool = False) -> AsyncGenerator[Connection]:
        connection = await self.pool.acquire(fresh=fresh)
        try:
            yield connection
        finally:
            await self.pool.release(connection)  # noqa: ASYNC102 - which cannot be cancelled

    async def hold(self, seconds: float, got: list[tuple[int, float]]) -> None:
        async with self.using() as connection:
            got.append((number(connection), trio.current_time()))
            await trio.sleep(seconds)

    def check(self) -> None:
        stats = self.pool.statistics()
        assert stats.open_connections == stats.in_use_connections + stats.idle_connections
        assert stats.open_connections == stats.connections_created - stats.connections_closed
        assert len(self.upstream.live) == stats.open_connections
        assert stats.in_use_connections <= self.limits.max_connections


async def test_connection_is_used_again() -> None:
    bench = Bench()
    for _ in range(3):
        async with bench.using() as connection:
            assert number(connection) == 1
        bench.check()
    stats = bench.pool.statistics()
    assert (stats.connections_created, stats.connections_reused) == (1, 2)
    assert stats.reuse_rate == 2 / 3


async def test_connection_used_last_is_used_next() -> None:
    bench = Bench()
    async with bench.using(), bench.using():
        pass  # 2 is given back first
    async with bench.using() as connection:
        assert number(connection) == 1


async def test_max_connections_serves_in_order_as_connections_come_free(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    got: list[tuple[int, float]] = []
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(bench.hold, 2.0, got)
            await wait_all_tasks_blocked()
        assert bench.pool.statistics().waiting == 4
    assert [at for _, at in got] == [0, 0, 2, 2, 4, 4]
    assert {item for item, _ in got} == {1, 2}
    bench.check()


async def test_pool_timeout_ends_the_wait(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with bench.using(), bench.using():
        with pytest.raises(UpstreamBusy, match=r"All 2 connections .* busy for 5 s") as caught:
            await bench.pool.acquire()
        assert trio.current_time() == 5
        assert (caught.value.status, caught.value.retry_after) == (503, 1)
    assert bench.pool.statistics().pool_timeouts == 1
    async with bench.using(), bench.using():
        bench.check()


async def test_max_keepalive_connections_closes_the_surplus_after_a_moment(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(evolve(LIMITS, max_connections=3))
    async with bench.using(), bench.using(), bench.using():
        pass
    assert bench.upstream.live == [1, 2, 3]
    async with bench.using():
        await trio.sleep(0.9)
    assert bench.upstream.live == [1, 2, 3]
    async with bench.using():
        await trio.sleep(0.1)
    assert bench.upstream.live == [1, 2]  # 3 was idle first
    bench.check()


async def test_a_check_closes_what_a_peak_has_left(autojump_clock: MockClock) -> None:
    bench = Bench(evolve(LIMITS, max_connections=3, max_keepalive_connections=1))
    async with bench.using(), bench.using(), bench.using():
        pass
    await trio.sleep(1)
    for surplus in bench.pool.check(trio.current_time()):
        await surplus.aclose()
    assert bench.upstream.live == [1]
    bench.check()


async def test_as_many_as_are_in_use_are_kept_while_they_are() -> None:
    """Httpcore's own pool throws away all but `max_keepalive_connections` of those in use."""
    bench = Bench(evolve(LIMITS, max_connections=10, max_keepalive_connections=1))
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(bench.hold, 0, [])
    held = [await bench.pool.acquire() for _ in range(10)]
    created = len(bench.upstream.opened)
    for _ in range(20):
        await bench.pool.release(held.pop())
        held.append(await bench.pool.acquire())
    assert len(bench.upstream.opened) == created


async def test_none_is_kept_where_none_is_to_be() -> None:
    bench = Bench(evolve(LIMITS, max_keepalive_connections=0))
    for expected in (1, 2, 3):
        async with bench.using() as connection:
            assert number(connection) == expected
        assert bench.upstream.live == []
    bench.check()


async def test_keepalive_expiry_closes_idle_connections(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with bench.using():
        await trio.sleep(1)
    await trio.sleep(299.9)
    async with bench.using() as connection:
        assert number(connection) == 1
    assert bench.pool.expire(trio.current_time() + 299.9) == []
    await trio.sleep(300)
    async with bench.using() as connection:
        assert number(connection) == 2
    assert bench.upstream.live == [2]
    bench.check()


async def test_one_that_the_upstream_has_closed_is_not_used() -> None:
    bench = Bench()
    async with bench.using(), bench.using():
        pass
    bench.upstream.opened[0].is_stale = True
    async with bench.using() as connection:
        assert number(connection) == 2
    assert bench.upstream.live == [2]
    bench.check()


async def test_a_check_finds_those_too() -> None:
    bench = Bench()
    async with bench.using(), bench.using():
        pass
    bench.upstream.opened[1].is_stale = True
    (stale,) = bench.pool.check(trio.current_time())
    assert number(stale) == 2
    await stale.aclose()
    bench.check()


async def test_one_that_ended_with_its_request_is_not_kept() -> None:
    bench = Bench()
    async with bench.using():
        bench.upstream.opened[0].is_open = False
    assert bench.pool.statistics().open_connections == 0
    assert bench.upstream.live == []


async def test_a_second_try_gets_one_that_never_served() -> None:
    bench = Bench()
    async with bench.using():
        pass
    async with bench.using(fresh=True) as connection:
        assert number(connection) == 2
    bench.check()


async def test_made_anew_what_is_in_use_ends_its_request_and_is_closed_then() -> None:
    bench, new = Bench(), Upstream()
    held, other = await bench.pool.acquire(), await bench.pool.acquire()
    await bench.pool.release(other)
    for dropped in bench.pool.renew(new.open):
        await dropped.aclose()
    assert bench.upstream.live == [number(held)]
    async with bench.using():
        assert (bench.upstream.live, new.live) == ([1], [1])
        await bench.pool.release(held)
        assert (bench.upstream.live, new.live) == ([], [1])
    assert bench.pool.statistics().recreations == 1


@pytest.mark.parametrize("seconds", [0, 1, 2, 3])
async def test_cancelled_acquire_leaves_nothing(autojump_clock: MockClock, seconds: int) -> None:
    bench = Bench()
    got: list[tuple[int, float]] = []
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(bench.hold, 2.0, got)
        await wait_all_tasks_blocked()
        with trio.move_on_after(seconds):
            await bench.hold(2.0, got)
    bench.check()
    assert bench.pool.statistics().in_use_connections == 0
    async with bench.using(), bench.using():
        bench.check()


async def test_acquire_cancelled_while_a_stale_connection_closes_leaks_nothing(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with bench.using():
        pass
    stale = bench.upstream.opened[0]
    stale.is_stale, stale.seconds_to_close = True, 2.0
    with trio.move_on_after(1) as scope:
        connection = await bench.pool.acquire()
        assert (trio.current_time(), scope.cancel_called) == (2.0, True)
        assert number(connection) == 2
        bench.check()
        await bench.pool.release(connection)
    assert bench.pool.statistics().in_use_connections == 0
    async with bench.using(), bench.using():
        bench.check()
