"""Pools over fake processes, and what is asked of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.fakes import FakeCLI, turn
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import PoolSettings

ONE = PoolSettings(min_size=1, max_size=1)


TWO = PoolSettings(min_size=2, max_size=2)


@asynccontextmanager
async def pool_of(cli: FakeCLI, settings: PoolSettings = ONE) -> AsyncGenerator[Pool]:
    async with open_pool(settings, cli, max_line_size=1_000_000) as pool:
        yield pool
    assert cli.alive == 0


async def ask(pool: Pool, text: str = "hello", system: str = "") -> str:
    """Ask, read the whole answer, and say who gave it."""
    with pool.submit(turn(text, system=system)) as answer:
        await answer.wait_taken()
        kinds = [event["type"] async for batch in answer for event in batch]
        assert kinds[0] == "message_start"
        assert kinds[-1] == "message_stop"
        assert answer.worker_id is not None
        return answer.worker_id


def balanced(pool: Pool) -> bool:
    stats = pool.statistics()
    total = stats.available_connections + stats.in_use_connections + stats.booting
    created = stats.connections_created - stats.connections_destroyed
    return created == stats.total_connections == total == len(stats.workers)
