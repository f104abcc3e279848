"""OpenAI's API: `POST /v1/chat/completions` and `/v1/responses`, also under `/openai`."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol, TypeVar

from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.models import Models
from trioproxy.dialects.anthropic import Rules
from trioproxy.dialects.openai.chat import ChatStream, parse_chat
from trioproxy.dialects.openai.responses import ResponseStream, parse_responses
from trioproxy.errors import UnknownModel
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import answering
from trioproxy.web.presence import current_call

T_co = TypeVar("T_co", covariant=True)


def install(
    app: QuartTrio, pool: Pool, rules: Rules, mapped: Mapping[str, str], server: ServerSettings
) -> None:
    """Add the routes. `mapped`: OpenAI's names of models, and Claude's for them."""

    @app.post("/v1/chat/completions")
    @app.post("/openai/v1/chat/completions")
    async def chat_completions() -> TrioResponse:
        asked = await _read(pool, partial(parse_chat, mapped=mapped, rules=rules))
        reply = ChatStream(int(time.time()), asked.has_usage)
        return await answering.respond(pool, asked.messages, reply, server)

    @app.post("/v1/responses")
    @app.post("/openai/v1/responses")
    async def responses() -> TrioResponse:
        asked = await _read(pool, partial(parse_responses, mapped=mapped, rules=rules))
        model = asked.messages.turn.model
        name = current_call(request.scope).request_id
        reply = ResponseStream(int(time.time()), asked.echo, asked.has_thoughts, model, name)
        return await answering.respond(pool, asked.messages, reply, server)


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
