from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from trioproxy.standin import StandIn, serve_standin


@pytest.fixture
def standin() -> StandIn:
    return StandIn()


@pytest.fixture
async def base_url(standin: StandIn, nursery: trio.Nursery) -> str:
    url: str = await nursery.start(serve_standin, standin)
    return url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    # There is no TLS here, and to load the world's certificates takes longer than a test.
    async with httpx.AsyncClient(base_url=base_url, timeout=5, verify=False) as client:
        yield client
