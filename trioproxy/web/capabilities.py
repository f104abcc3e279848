"""`GET /v1/capabilities`: what becomes of each parameter, and why a request may be refused."""

from typing import Any

from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.blocks import BLOCKS
from trioproxy.dialects.openai.parameters import CHAT, COMPACT, RESPONSES
from trioproxy.dialects.parameters import PARAMETERS
from trioproxy.refusals import Refusal
from trioproxy.web.replies import as_json

_TABLES = {"chat/completions": CHAT, "responses": RESPONSES, "responses/compact": COMPACT}


def install(app: QuartTrio) -> None:
    """Add the route."""

    @app.get("/v1/capabilities")
    async def capabilities() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        return as_json(_capabilities())


def _capabilities() -> dict[str, Any]:
    parameters = {
        one.name: {"honoured": one.is_honoured, "note": one.note} for one in PARAMETERS.values()
    }
    blocks = {role: sorted(known) for role, known in BLOCKS.items()}
    openai = {
        path: {one.name: {"effect": one.effect, "note": one.note} for one in table.values()}
        for path, table in _TABLES.items()
    }
    refusals = {
        one.value: {"category": one.category.value, "advice": one.advice} for one in Refusal
    }
    return {
        "parameters": parameters,
        "content_blocks": blocks,
        "openai": openai,
        "refusals": refusals,
    }
