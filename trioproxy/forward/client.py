"""The forward client: all upstreams, each with a pool of its own, for as long as the server lives.

What happens at one upstream touches no other. An upkeep task closes what has been idle for too
long or was closed from the other side, and makes a pool anew that is broken as a whole.
"""

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define

from trioproxy.errors import UpstreamError
from trioproxy.forward.body import ClientLeft
from trioproxy.forward.connection import (
    Connection,
    Context,
    Request,
    Response,
    Timeouts,
    make_context,
    open_client,
    open_connection,
)
from trioproxy.forward.headers import has_body
from trioproxy.forward.pool import Open, UpstreamLimits, UpstreamPool
from trioproxy.forward.retry import may_retry
from trioproxy.forward.stats import UpstreamStatistics
from trioproxy.forward.upstream import Upstream
from trioproxy.settings import HttpPoolSettings

logger = logging.getLogger("trioproxy.forward")

_PAUSE = 0.1  # seconds before the second try, twice that before the third


@define(eq=False)
class ForwardClient:
    """Asks upstreams. `open_forward_client` makes it."""

    pools: Mapping[str, UpstreamPool]
    is_enabled: bool
    _retries: int
    _broken: trio.MemorySendChannel[UpstreamPool]

    @asynccontextmanager
    async def answering(self, name: str, request: Request) -> AsyncGenerator[Response]:
        """The answer of the upstream `name`, whose body is read within the block.

        Raises `UpstreamError`, `UpstreamBusy`, and what reading the request's body raises.
        """
        pool = self.pools[name]
        pool.tally.requests += 1
        begun = trio.current_time()
        try:
            connection, answer = await self._ask(pool, request)
            pool.tally.first_byte_times.append(trio.current_time() - begun)
            try:
                yield answer
            finally:
                await answer.aclose()  # noqa: ASYNC102 - it has a shield and a deadline
                await pool.release(connection)  # noqa: ASYNC102 - this too
            pool.tally.total_times.append(trio.current_time() - begun)
        except UpstreamError as error:
            self._failed(pool, error)
            raise
        except (trio.Cancelled, ClientLeft):
            pool.tally.clients_left += 1
            raise

    async def _ask(self, pool: UpstreamPool, request: Request) -> tuple[Connection, Response]:
        for attempt in range(self._retries + 1):
            connection = await pool.acquire(fresh=attempt > 0)
            try:
                answer = await connection.send(request)
            except UpstreamError as error:
                failure = error
            except BaseException:
                await self._drop(pool, connection)  # noqa: ASYNC102 - it has a shield
                raise
            else:
                pool.condition.succeeded()
                return connection, answer
            await self._drop(pool, connection)
            if attempt == self._retries or not _may_retry(failure, request):
                raise failure
            self._failed(pool, failure)
            pool.tally.retries += 1
            await trio.sleep(_PAUSE * 2**attempt)
        raise AssertionError("the last try returns or raises")

    async def _drop(self, pool: UpstreamPool, connection: Connection) -> None:
        await connection.aclose()
        await pool.release(connection)

    def _failed(self, pool: UpstreamPool, error: UpstreamError) -> None:
        pool.tally.errors[error.cause] += 1
        if pool.condition.failed(error.cause, trio.current_time()):
            self._broken.send_nowait(pool)

    def statistics(self) -> dict[str, UpstreamStatistics]:
        """What each upstream's pool does now."""
        return {name: pool.statistics() for name, pool in self.pools.items()}


def _may_retry(error: UpstreamError, request: Request) -> bool:
    body = request.body
    return may_retry(
        error.cause,
        request.method,
        has_body=has_body(request.headers),
        is_begun=body.is_begun,
        is_whole=body.is_whole,
    )


@asynccontextmanager
async def open_forward_client(
    upstreams: Mapping[str, Upstream], settings: HttpPoolSettings
) -> AsyncGenerator[ForwardClient]:
    """A client of `upstreams`, for as long as the block lasts."""
    wants_tls = settings.enabled and any(item.scheme == "https" for item in upstreams.values())
    context = await trio.to_thread.run_sync(make_context) if wants_tls else None
    to_renew, broken = trio.open_memory_channel[UpstreamPool](len(upstreams))
    pools = {
        name: UpstreamPool(upstream, _limits(settings), _opener(upstream, settings, context))
        for name, upstream in upstreams.items()
    }
    async with trio.open_nursery() as nursery:
        client = ForwardClient(pools, settings.enabled, settings.retries, to_renew)
        nursery.start_soon(_check_each, settings, tuple(pools.values()))
        nursery.start_soon(_renew_each, settings, broken)
        try:
            yield client
        finally:
            for pool in pools.values():
                await _close(pool.clear())  # noqa: ASYNC102 - each has a shield and a deadline
            nursery.cancel_scope.cancel(reason="the forward client is closed")


async def _check_each(settings: HttpPoolSettings, pools: Iterable[UpstreamPool]) -> None:
    """Close what has been idle for too long, or was closed from the other side."""
    interval = min(settings.health_check_interval, settings.keepalive_expiry)
    while True:
        await trio.sleep(interval)
        for pool in pools:
            gone = pool.check(trio.current_time())
            if gone:
                name, left = pool.upstream.name, pool.statistics().idle_connections
                logger.debug(
                    "[HTTP_POOL] Closed %d idle connections to %s, %d left", len(gone), name, left
                )
            await _close(gone)


async def _renew_each(
    settings: HttpPoolSettings, broken: trio.MemoryReceiveChannel[UpstreamPool]
) -> None:
    """Make anew each pool that is broken."""
    async for pool in broken:
        upstream, failures = pool.upstream, pool.condition.failures
        is_tls = settings.enabled and upstream.scheme == "https"
        context = await trio.to_thread.run_sync(make_context) if is_tls else None
        dropped = pool.renew(_opener(upstream, settings, context))
        logger.warning(
            "[HTTP_POOL] Recreated the connections to %s after %d failures in a row (%s)",
            upstream.name,
            failures,
            ", ".join(f"{cause}: {count}" for cause, count in pool.tally.errors.items()),
        )
        await _close(dropped)


async def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        await connection.aclose()


def _limits(settings: HttpPoolSettings) -> UpstreamLimits:
    kept = settings.max_keepalive_connections if settings.enabled else 0
    return UpstreamLimits(
        settings.max_connections, kept, settings.keepalive_expiry, settings.pool_timeout
    )


def _opener(upstream: Upstream, settings: HttpPoolSettings, context: Context | None) -> Open:
    timeouts = Timeouts(
        connect=settings.connect_timeout,
        read=settings.read_timeout,
        write=settings.write_timeout,
        stream_read=settings.stream_read_timeout,
    )
    if not settings.enabled:
        return partial(open_client, upstream, timeouts, settings.proxy)
    return partial(open_connection, upstream, timeouts, context, settings.proxy)
