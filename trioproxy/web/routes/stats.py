"""What the pools count: `GET /pool/stats` and `GET /http_pool/stats`."""

import os

from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.forward.client import ForwardClient
from trioproxy.pool.pool import Pool
from trioproxy.web.responses import as_json


def install(app: QuartTrio, pool: Pool, client: ForwardClient) -> None:
    """Add the routes."""

    @app.get("/pool/stats")
    async def pool_stats() -> TrioResponse:  # noqa: ASYNC124 - as above
        stats = pool.statistics().as_json() if pool.is_enabled else None
        return as_json({"pool_enabled": pool.is_enabled, "pid": os.getpid(), "stats": stats})

    @app.get("/http_pool/stats")
    async def http_pool_stats() -> TrioResponse:  # noqa: ASYNC124 - as above
        upstreams = {name: item.as_json() for name, item in client.statistics().items()}
        body = {"pool_enabled": client.is_enabled, "pid": os.getpid(), "upstreams": upstreams}
        return as_json(body)
