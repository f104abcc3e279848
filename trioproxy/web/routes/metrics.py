"""`GET /metrics`, for Prometheus."""

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from quart_trio.wrappers import TrioResponse

from trioproxy.web.observe.metrics import Metrics
from trioproxy.web.routes.views import Views


def views(measured: Metrics) -> Views:
    """The view."""

    async def metrics() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        return TrioResponse(measured.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    return {"metrics": metrics}
