"""`GET /health/live`, `GET /health/ready` and `GET /health`.

`live` says that the server answers, and nothing else; it needs no token. `ready` says whether a
request would be answered, and what that is known from. `/health` is the same, for people.
"""

from typing import Any

from quart_trio.wrappers import TrioResponse

from trioproxy.forward.client import ForwardClient
from trioproxy.pool.pool import Pool
from trioproxy.web.gate.middleware import Gate
from trioproxy.web.observe.cli_facts import CliFacts
from trioproxy.web.responses import as_json
from trioproxy.web.routes.views import Views

_READY = {"idle", "busy", "resetting"}


def views(pool: Pool, client: ForwardClient, gate: Gate, cli: CliFacts) -> Views:
    """The views."""

    async def live() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        return as_json({"status": "ok"})

    async def ready() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        body = readiness(pool, gate)
        # One upstream's failure is no failure of this server.
        body["cli"] = cli.as_json()
        body["http_pool"] = {name: item.state for name, item in client.statistics().items()}
        return as_json(body, 200 if body["status"] == "ok" else 503)

    return {"live": live, "ready": ready}


def readiness(pool: Pool, gate: Gate) -> dict[str, Any]:
    """What was measured, and when.

    `last_answer`: the Unix time at which the model last answered; `logged_in`: whether the API
    took the CLI's login when it was last asked. None: it was not asked yet.
    """
    ready = sum(worker.state in _READY for worker in pool.statistics().workers)
    trouble, is_closing = pool.trouble, gate.drain.is_closed
    status = "ok"  # also with no process at all, where none is kept
    if is_closing:
        status = "stopping"
    elif not ready and (trouble or pool.is_starting):
        status = "unavailable" if trouble else "starting"
    return {
        "status": status,
        "ready_connections": ready,
        "trouble": trouble,
        "logged_in": gate.registry.is_logged_in,
        "last_answer": gate.registry.last_answer,
        "closing": is_closing,
    }
