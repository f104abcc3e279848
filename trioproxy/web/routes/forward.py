"""`/proxy/<upstream>/<path>`: any method, passed on as a stream, and the answer back as one.

A bare ASGI callable: a request of a few hundred microseconds has no use for a web framework.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

import trio

from trioproxy.asgi_server.asgi import Message, Receive, Scope, Send
from trioproxy.dialects.json_checks import short
from trioproxy.errors import (
    BodyTooSlow,
    InternalError,
    MethodNotAllowed,
    TrioproxyError,
    UnknownRoute,
)
from trioproxy.forward.body import ClientLeft, RequestBody
from trioproxy.forward.client import ForwardClient
from trioproxy.forward.connection import Request, Response
from trioproxy.forward.headers import ClientAddress, has_body, incoming, outgoing, value_of
from trioproxy.forward.upstream import split
from trioproxy.web.gate.context import current_context
from trioproxy.web.responses import as_error

logger = logging.getLogger("trioproxy.web")

_BODY = "http.response.body"
_LINGER = 1.0  # seconds
_FRAMED_BY_HEADERS = {"1.0", "1.1"}
_ALLOWED = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_REFUSED = {"CONNECT", "TRACE"}  # tunnels, and headers shown to whoever asks


class Forward:
    """An ASGI callable. `timeout`: seconds of silence allowed within a request body."""

    def __init__(self, client: ForwardClient, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        context = current_context(scope)
        if not context.is_watched:
            async with hearing(receive) as record_usage:
                await self._serve(scope, record_usage, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = RequestBody(receive, self._timeout)
        back = ResponseWriter(scope, send, body)
        try:
            name, request = await self._read(scope, body)
            async with self._client.answering(name, request) as answer:
                last = await back.pass_on(answer)
            await back.end(last)
        except ClientLeft:
            pass
        except TrioproxyError as error:
            await back.fail(error)
        except Exception:
            logger.exception("[HTTP_POOL] A request could not be forwarded")
            await back.fail(InternalError("Internal error: see the server's log."))

    async def _read(self, scope: Scope, body: RequestBody) -> tuple[str, Request]:
        method = scope["method"]
        if method in _REFUSED:
            raise MethodNotAllowed(f"{method} is not supported by the proxy.", allowed=_ALLOWED)
        name, rest = split(scope["raw_path"])
        pool = self._client.pools.get(name)
        if pool is None:
            raise UnknownRoute(f"No upstream {short(name)!r} in `[http_pool] upstreams`.")
        current_context(scope).record.route = f"/proxy/{name}"
        target = pool.upstream.target(rest, scope["query_string"])
        caller = ClientAddress(
            address=scope["client"][0] if scope["client"] else "unknown",
            scheme=scope["scheme"],
            http_version=scope["http_version"],
            request_id=current_context(scope).request_id,
        )
        headers = outgoing(scope["headers"], pool.upstream.host, caller)
        if scope["http_version"] in _FRAMED_BY_HEADERS:
            body.has_ended = not has_body(headers)
        # Before a connection is taken: a client that sends nothing holds none.
        if await body.peek() and not has_body(headers):
            headers.append((b"transfer-encoding", b"chunked"))
        return name, Request(method, target, headers, body)


@asynccontextmanager
async def hearing(receive: Receive) -> AsyncGenerator[Receive]:
    """`receive`, whose call ends at once when the client leaves, for those that nobody watches."""
    sender, receiver = trio.open_memory_channel[Message](0)

    async def hear(scope: trio.CancelScope) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            await sender.send(message)
        scope.cancel(reason="the client left")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear, nursery.cancel_scope)  # noqa: ASYNC113 - nobody waits for it
        yield receiver.receive
        nursery.cancel_scope.cancel(reason="the call is over")


class ResponseWriter:
    """The way back to the client."""

    def __init__(self, scope: Scope, send: Send, body: RequestBody) -> None:
        self._scope = scope
        self._send = send
        self._body = body
        self._has_started = False

    async def pass_on(self, answer: Response) -> bytes:
        """Send an answer as it comes, but for its last chunk if that can be known: see `end`."""
        headers = incoming(answer.headers)
        await self._start(answer.status, headers)
        length = value_of(headers, b"content-length")
        left = int(length) if length.isdigit() else -1
        last = b""
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                if left == 0:
                    last = chunk
                else:
                    await self._send({"type": _BODY, "body": chunk, "more_body": True})
        return last

    async def end(self, last: bytes) -> None:
        """Send the last chunk: the connection to the upstream is free, however slow the client.

        A client that is still sending would lose it, for its connection is closed at the end; so
        it gets a moment to read.
        """
        if not self._body.has_ended:
            await self._send({"type": _BODY, "body": last, "more_body": True})
            last = b""
            with trio.move_on_after(_LINGER), suppress(BodyTooSlow, ClientLeft):
                await self._body.discard()
        await self._send({"type": _BODY, "body": last, "more_body": False})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def fail(self, error: TrioproxyError) -> None:
        """Send an error, if nothing was sent yet; else break the response off.

        A call that ends before its response does closes the connection.
        """
        context = current_context(self._scope)
        context.record.failure = error.type
        if error.status >= 500 or self._has_started:  # noqa: PLR2004 - the class of server errors
            what = "broke off" if self._has_started else str(error.status)
            logger.warning("[HTTP_POOL] %s %s: %s", context.request_id, what, error.log_message)
        if self._has_started:
            context.watch.break_off()
            return
        headers, body = as_error(error, self._scope, context.request_id)
        await self._start(error.status, headers)
        await self.end(body)
