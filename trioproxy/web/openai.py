"""OpenAI's API: `POST /v1/chat/completions` and `/v1/responses`, also under `/openai`."""

import time
from collections.abc import Mapping
from functools import partial

from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.models import Models
from trioproxy.dialects.anthropic import Rules
from trioproxy.dialects.openai.chat import ChatStream, parse_chat
from trioproxy.dialects.openai.responses import ResponseStream, parse_responses
from trioproxy.pool.pool import Pool
from trioproxy.web import answering

_OURS = b'"claude-'


def install(
    app: QuartTrio, pool: Pool, rules: Rules, mapped: Mapping[str, str], *, ping_interval: float
) -> None:
    """Add the routes. `mapped`: OpenAI's names of models, and Claude's for them."""

    @app.post("/v1/chat/completions")
    @app.post("/openai/v1/chat/completions")
    async def chat_completions() -> TrioResponse:
        body = await answering.read_body()
        parse = partial(parse_chat, models=await _models(body, pool), mapped=mapped, rules=rules)
        asked = await answering.parsed(body, parse)
        reply = ChatStream(int(time.time()), asked.has_usage)
        return await answering.respond(pool, asked.messages, reply, ping_interval=ping_interval)

    @app.post("/v1/responses")
    @app.post("/openai/v1/responses")
    async def responses() -> TrioResponse:
        body = await answering.read_body()
        models = await _models(body, pool)
        parse = partial(parse_responses, models=models, mapped=mapped, rules=rules)
        asked = await answering.parsed(body, parse)
        reply = ResponseStream(int(time.time()), asked.echo, asked.has_thoughts)
        return await answering.respond(pool, asked.messages, reply, ping_interval=ping_interval)


async def _models(body: bytes, pool: Pool) -> Models:
    """The models, for their short names; a body that names one of Claude's in full needs none."""
    known = pool.models.known
    if known.listed or _OURS in body or not body:
        return known
    return await pool.models.wait_models()
