"""OpenAI's API, also under `/openai`.

`POST /v1/chat/completions`, `/v1/responses` and `/v1/responses/compact`.
"""

import time
from functools import partial
from typing import Any

from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.dialects.openai.chat import ChatRenderer, parse_chat
from trioproxy.dialects.openai.response_request import parse_compact, parse_responses
from trioproxy.dialects.openai.responses import CompactRenderer, ResponsesRenderer
from trioproxy.pool.pool import Pool
from trioproxy.settings import OpenAISettings, ServerSettings
from trioproxy.web import answering
from trioproxy.web.gate.context import current_context
from trioproxy.web.routes.views import Views


def views(
    pool: Pool, rules: RequestDefaults, settings: OpenAISettings, server: ServerSettings
) -> Views:
    """The views of OpenAI's API."""
    config: dict[str, Any] = {"mapped": settings.models, "rules": rules}
    config["can_search"] = settings.web_search
    config["is_cached"] = settings.prompt_caching

    async def chat_completions() -> TrioResponse:
        parsed = await answering.read(partial(parse_chat, **config))
        renderer = ChatRenderer(int(time.time()), parsed.has_usage, tools=parsed.tools)
        return await answering.respond(pool, parsed.messages, renderer, server)

    async def responses() -> TrioResponse:
        parsed = await answering.read(partial(parse_responses, **config))
        renderer = ResponsesRenderer(
            int(time.time()),
            parsed.echo,
            parsed.has_thoughts,
            model=parsed.messages.turn.model,
            name=current_context(request.scope).request_id,
            tools=parsed.tools,
            has_sources=parsed.has_sources,
            wants_summary=parsed.wants_summary,
        )
        return await answering.respond(pool, parsed.messages, renderer, server)

    async def compact() -> TrioResponse:
        parsed = await answering.read(partial(parse_compact, **config))
        renderer = CompactRenderer(
            int(time.time()), {}, tools=parsed.tools, wants_summary=True, kept=parsed.kept
        )
        return await answering.respond(pool, parsed.messages, renderer, server)

    return {"chat_completions": chat_completions, "responses": responses, "compact": compact}
