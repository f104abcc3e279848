"""`POST /v1/messages/count_tokens`, answered by the API itself.

The CLI can count (`get_context_usage`), but not this: it counts the system prompt as if it were
a message, and no tools.
"""

from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic.names import read_betas
from trioproxy.dialects.anthropic.request import RequestDefaults, count_request
from trioproxy.errors import NotConfigured
from trioproxy.forward.api import ApiClient
from trioproxy.pool.pool import Pool
from trioproxy.web import answering
from trioproxy.web.routes.views import Views

_NO_KEY = (
    "The Claude CLI cannot count tokens exactly. Set an Anthropic API key for this: "
    "`[count_tokens] api_key`, or COUNT_TOKENS__API_KEY in the server's environment."
)


def views(pool: Pool, api: ApiClient | None, rules: RequestDefaults) -> Views:
    """The view. Without an `api`, it responds with what is missing."""

    async def count_tokens() -> TrioResponse:
        asked = count_request(await answering.read_body(), pool.models.known, rules)
        if api is None:
            raise NotConfigured(_NO_KEY)
        betas = ",".join(read_betas(",".join(request.headers.getlist("anthropic-beta"))))
        headers = [(b"anthropic-beta", betas.encode())] if betas else []
        reply = await api.post(b"/v1/messages/count_tokens", asked, headers)
        return TrioResponse(reply.body, reply.status, content_type=reply.content_type)

    return {"count_tokens": count_tokens}
