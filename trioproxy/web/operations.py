"""What an operator asks: `GET /health` and `GET /pool/stats`."""

from typing import Any

import orjson
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.pool.pool import Pool


def install(app: QuartTrio, pool: Pool) -> None:
    """Add the routes."""

    @app.get("/health")
    async def health() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        stats = pool.statistics()
        ready = stats.available_connections + stats.in_use_connections
        trouble = pool.trouble
        body = {
            "status": "ok" if ready else "unavailable" if trouble else "starting",
            "ready_connections": ready,
            "trouble": trouble,
        }
        return _json(body, 200 if ready else 503)

    @app.get("/pool/stats")
    async def pool_stats() -> TrioResponse:  # noqa: ASYNC124 - as above
        return _json({"pool_enabled": True, "stats": pool.statistics().as_json()}, 200)


def _json(body: dict[str, Any], status: int) -> TrioResponse:
    return TrioResponse(orjson.dumps(body), status, content_type="application/json")
