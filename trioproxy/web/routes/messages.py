"""`POST /v1/messages`, also under `/anthropic`."""

from functools import partial

from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic.request import RequestDefaults, parse_request
from trioproxy.dialects.renderer import MessagesRenderer
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import answering
from trioproxy.web.routes.views import Views


def views(pool: Pool, rules: RequestDefaults, server: ServerSettings) -> Views:
    """The view of the Messages API."""

    async def messages() -> TrioResponse:
        betas = ",".join(request.headers.getlist("anthropic-beta"))
        parse = partial(parse_request, betas=betas, rules=rules)
        parsed = await answering.read(parse)
        return await answering.respond(pool, parsed, MessagesRenderer(), server)

    return {"messages": messages}
