"""`GET /v1/capabilities`: what becomes of each parameter, and why a request may be refused."""

from typing import Any

from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic.blocks import BLOCKS
from trioproxy.dialects.anthropic.parameters import PARAMETERS
from trioproxy.dialects.openai.parameters import CHAT, COMPACT, RESPONSES
from trioproxy.refusals import Refusal
from trioproxy.web.responses import as_json
from trioproxy.web.routes.views import Views

_TABLES = {"chat/completions": CHAT, "responses": RESPONSES, "responses/compact": COMPACT}


def views() -> Views:
    """The view."""

    async def capabilities() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        return as_json(_capabilities())

    return {"capabilities": capabilities}


def _capabilities() -> dict[str, Any]:
    parameters = {
        item.name: {"honoured": item.is_honoured, "note": item.note}
        for item in PARAMETERS.values()
    }
    blocks = {role: sorted(known) for role, known in BLOCKS.items()}
    openai = {
        path: {item.name: {"effect": item.effect, "note": item.note} for item in table.values()}
        for path, table in _TABLES.items()
    }
    refusals = {
        item.value: {"category": item.category.value, "advice": item.advice} for item in Refusal
    }
    return {
        "parameters": parameters,
        "content_blocks": blocks,
        "openai": openai,
        "refusals": refusals,
    }
