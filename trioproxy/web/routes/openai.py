"""OpenAI's API, also under `/openai`.

`POST /v1/chat/completions`, `/v1/responses` and `/v1/responses/compact`.
"""

import time
from functools import partial
from typing import Any, Protocol, TypeVar

from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.models import Models
from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.dialects.openai.chat import ChatRenderer, parse_chat
from trioproxy.dialects.openai.response_request import parse_compact, parse_responses
from trioproxy.dialects.openai.responses import CompactRenderer, ResponsesRenderer
from trioproxy.errors import UnknownModel
from trioproxy.pool.pool import Pool
from trioproxy.settings import OpenAISettings, ServerSettings
from trioproxy.web import answering
from trioproxy.web.gate.context import current_context
from trioproxy.web.routes.views import Views

T_co = TypeVar("T_co", covariant=True)


def views(
    pool: Pool, rules: RequestDefaults, settings: OpenAISettings, server: ServerSettings
) -> Views:
    """The views of OpenAI's API."""
    config: dict[str, Any] = {"mapped": settings.models, "rules": rules}
    config["can_search"] = settings.web_search

    async def chat_completions() -> TrioResponse:
        asked = await _read(pool, partial(parse_chat, **config))
        reply = ChatRenderer(int(time.time()), asked.has_usage, tools=asked.tools)
        return await answering.respond(pool, asked.messages, reply, server)

    async def responses() -> TrioResponse:
        asked = await _read(pool, partial(parse_responses, **config))
        reply = ResponsesRenderer(
            int(time.time()),
            asked.echo,
            asked.has_thoughts,
            model=asked.messages.turn.model,
            name=current_context(request.scope).request_id,
            tools=asked.tools,
            has_sources=asked.has_sources,
            wants_summary=asked.wants_summary,
        )
        return await answering.respond(pool, asked.messages, reply, server)

    async def compact() -> TrioResponse:
        asked = await _read(pool, partial(parse_compact, **config))
        reply = CompactRenderer(
            int(time.time()), {}, tools=asked.tools, wants_summary=True, kept=asked.kept
        )
        return await answering.respond(pool, asked.messages, reply, server)

    return {"chat_completions": chat_completions, "responses": responses, "compact": compact}


class _Parse(Protocol[T_co]):
    def __call__(self, body: bytes, *, models: Models) -> T_co: ...


async def _read(pool: Pool, parse: _Parse[T_co]) -> T_co:
    """The request; a name of a model that nobody knows may be one of the CLI's, if it is asked."""
    body = await answering.read_body()
    known = pool.models.known
    try:
        return await answering.parsed(body, partial(parse, models=known))
    except UnknownModel:
        if known.listed:
            raise
    models = await pool.models.wait_models()
    return await answering.parsed(body, partial(parse, models=models))
