"""What the pools count: `GET /pool/stats` and `GET /http_pool/stats`."""

import os

from quart_trio.wrappers import TrioResponse

from trioproxy.forward.client import ForwardClient
from trioproxy.pool.pool import Pool
from trioproxy.web.responses import as_json
from trioproxy.web.routes.views import Views


def views(pool: Pool, client: ForwardClient) -> Views:
    """The views."""

    async def pool_stats() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        stats = pool.statistics().as_json() if pool.is_enabled else None
        return as_json({"pool_enabled": pool.is_enabled, "pid": os.getpid(), "stats": stats})

    async def http_pool_stats() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        upstreams = {name: item.as_json() for name, item in client.statistics().items()}
        body = {"pool_enabled": client.is_enabled, "pid": os.getpid(), "upstreams": upstreams}
        return as_json(body)

    return {"pool_stats": pool_stats, "http_pool_stats": http_pool_stats}
