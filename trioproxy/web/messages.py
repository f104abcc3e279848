"""`POST /v1/messages`, also under `/anthropic`."""

from functools import partial

from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic import Rules, parse_request
from trioproxy.dialects.reply import MessagesReply
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import answering


def install(app: QuartTrio, pool: Pool, rules: Rules, server: ServerSettings) -> None:
    """Add the route."""

    @app.post("/v1/messages")
    @app.post("/anthropic/v1/messages")
    async def messages() -> TrioResponse:
        betas = ",".join(request.headers.getlist("anthropic-beta"))
        parse = partial(parse_request, betas=betas, rules=rules)
        asked = await answering.parsed(await answering.read_body(), parse)
        reply = MessagesReply()
        return await answering.respond(pool, asked, reply, server)
