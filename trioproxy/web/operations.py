"""What an operator asks: `GET /health`, `GET /pool/stats` and `GET /http_pool/stats`."""

from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.forward.client import ForwardClient
from trioproxy.pool.pool import Pool
from trioproxy.web.replies import as_json

_READY = {"idle", "busy", "resetting"}


def install(app: QuartTrio, pool: Pool, client: ForwardClient) -> None:
    """Add the routes."""

    @app.get("/health")
    async def health() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        ready = sum(one.state in _READY for one in pool.statistics().workers)
        trouble = pool.trouble
        status = "ok"  # also with no process at all, where none is kept
        if not ready and (trouble or pool.is_starting):
            status = "unavailable" if trouble else "starting"
        body = {
            "status": status,
            "ready_connections": ready,
            "trouble": trouble,
            # One upstream's failure is no failure of this server.
            "http_pool": {name: one.state for name, one in client.statistics().items()},
        }
        return as_json(body, 200 if status == "ok" else 503)

    @app.get("/pool/stats")
    async def pool_stats() -> TrioResponse:  # noqa: ASYNC124 - as above
        stats = pool.statistics().as_json() if pool.is_enabled else None
        return as_json({"pool_enabled": pool.is_enabled, "stats": stats})

    @app.get("/http_pool/stats")
    async def http_pool_stats() -> TrioResponse:  # noqa: ASYNC124 - as above
        upstreams = {name: one.as_json() for name, one in client.statistics().items()}
        return as_json({"pool_enabled": client.is_enabled, "upstreams": upstreams})
