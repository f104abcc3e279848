"""What every request passes before its route, and what is held for it.

A Quart view returns before its response is streamed, and a body generator whose client left
during `http.response.start` never starts: its `finally` never runs. So neither of them owns what
a request holds. The ASGI call does: it lives as long as the client is there, and leaving it, in
any way, gives everything back. Nothing that is held may need an await to be given back.

A call ends early for one of two reasons. The client has left: then there is nobody to answer. Or
the server stops, and Hypercorn cancels the call: then the client gets an `error` event in a
stream, or a 503 where nothing has been sent yet.
"""

import logging
from secrets import token_hex

import trio
from attrs import frozen

from trioproxy import logs
from trioproxy.asgi_server.asgi import ASGIApp, Receive, Scope, Send
from trioproxy.asgi_server.watcher import Watcher
from trioproxy.errors import TrioproxyError
from trioproxy.web.gate.access_policy import AccessPolicy
from trioproxy.web.gate.context import RequestContext
from trioproxy.web.gate.drain_gate import DrainGate
from trioproxy.web.gate.rate_limiter import RateLimiter
from trioproxy.web.gate.response import Headers, ResponseSender
from trioproxy.web.observe.notes import product
from trioproxy.web.observe.registry import REFUSED, RequestRegistry
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

logger = logging.getLogger("trioproxy.web")

_LAST_SEND = 2.0  # seconds


@frozen
class Gate:
    """What every request meets before its route. `headers` go onto every response."""

    watcher: Watcher
    access: AccessPolicy
    drain: DrainGate
    rates: RateLimiter
    registry: RequestRegistry
    headers: Headers = ()


class RequestMiddleware:
    """An ASGI callable around another, for `http` scopes."""

    def __init__(self, inner: ASGIApp, gate: Gate) -> None:
        self._inner = inner
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = f"req_{token_hex(12)}"
        logs.request_id.set(request_id)
        with (
            self.gate.registry.record(request_id, scope["method"], scope["path"]) as record,
            trio.CancelScope() as gone,
            self.gate.watcher.watching(scope, gone) as watch,
        ):
            record.client = _client(scope)
            response = ResponseSender(record, scope, send, watch, self.gate.headers)
            context = RequestContext(record, watch, response)
            with context.holding():
                try:
                    await self._answer(context, scope, response.receiving(receive))
                except Exception:  # Hypercorn would send a bare 500
                    logger.exception("[API] %s failed", request_id)
                    await response.fail()
                finally:
                    if not gone.cancel_called:
                        with trio.move_on_after(_LAST_SEND, shield=True):
                            await response.end()

    async def _answer(self, context: RequestContext, scope: Scope, receive: Receive) -> None:
        response = context.response
        try:
            caller = self.gate.access.admit(scope)
            context.record.caller = caller.token
            response.add(caller.cors)
            if table.audience(scope["path"]) is Audience.CALLER:
                context.hold(self.gate.drain.entering())
                context.hold(self.gate.rates.using(caller.token))
        except TrioproxyError as error:
            context.record.route = REFUSED
            await response.refuse(error)
            return
        if caller.is_preflight:
            await response.send_whole(204, [])
            return
        credentials = caller.credential_headers
        headers = [header for header in scope["headers"] if header not in credentials]
        inner = context.within({**scope, "headers": headers})
        await self._inner(inner, receive, response.send)


def _client(scope: Scope) -> str:
    """The name that the client gives itself; empty if none."""
    agents = (value for name, value in scope["headers"] if name == b"user-agent")
    return product(next(agents, b"").decode("latin-1"))
