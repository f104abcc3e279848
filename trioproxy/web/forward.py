"""`/proxy/<upstream>/<path>`: any method, passed on as a stream, and the answer back as one.

A bare ASGI callable: a request of a few hundred microseconds has no use for a web framework.
"""

import logging
from contextlib import aclosing

import orjson

from trioproxy.errors import (
    InternalError,
    MethodNotAllowed,
    TrioproxyError,
    UnknownRoute,
)
from trioproxy.forward.body import ClientLeft, RequestBody
from trioproxy.forward.client import ForwardClient
from trioproxy.forward.connection import Answer, Request
from trioproxy.forward.headers import Caller, has_body, incoming, outgoing, value_of
from trioproxy.forward.upstream import split
from trioproxy.web.dialect import error_body_for
from trioproxy.web.presence import Receive, Scope, Send, current_call

logger = logging.getLogger("trioproxy.web")

_BODY = "http.response.body"
_FRAMED_BY_HEADERS = {"1.0", "1.1"}
_REFUSED = {"CONNECT", "TRACE"}  # tunnels, and headers shown to whoever asks


class Forward:
    """See above. `patience`: seconds that a client may be silent in the middle of its body."""

    def __init__(self, client: ForwardClient, patience: float) -> None:
        self._client = client
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        back = _Back(scope, send)
        try:
            name, request = await self._read(scope, receive)
            async with self._client.answering(name, request) as answer:
                last = await back.pass_on(answer)
            await back.end(last)
        except ClientLeft:
            pass
        except TrioproxyError as error:
            await back.fail(error)
        except Exception:
            logger.exception("[HTTP_POOL] A request could not be passed on")
            await back.fail(InternalError("The server failed; its log has the details."))

    async def _read(self, scope: Scope, receive: Receive) -> tuple[str, Request]:
        method = scope["method"]
        if method in _REFUSED:
            raise MethodNotAllowed(f"{method} is not passed on.")
        name, rest = split(scope["raw_path"])
        pool = self._client.pools.get(name)
        if pool is None:
            raise UnknownRoute(f"There is no {name!r} in `[http_pool] upstreams`.")
        target = pool.upstream.target(rest, scope["query_string"])
        caller = Caller(
            address=scope["client"][0] if scope["client"] else "unknown",
            scheme=scope["scheme"],
            http_version=scope["http_version"],
            request_id=current_call(scope).request_id,
        )
        headers = outgoing(scope["headers"], pool.upstream.host, caller)
        body = RequestBody()
        if has_body(headers):
            body = RequestBody(receive, self._patience)
        elif scope["http_version"] not in _FRAMED_BY_HEADERS:
            body = RequestBody(receive, self._patience)
            if await body.peek():
                headers.append((b"transfer-encoding", b"chunked"))
        return name, Request(method, target, headers, body)


class _Back:
    """The way back to the client."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._has_started = False

    async def pass_on(self, answer: Answer) -> bytes:
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
        """Send the last chunk: the connection to the upstream is free, however slow the client."""
        await self._send({"type": _BODY, "body": last, "more_body": False})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def fail(self, error: TrioproxyError) -> None:
        """Tell of an error, if nothing was said yet; else the answer breaks off where it is.

        A call that ends without the end of its answer is a connection that is closed.
        """
        call = current_call(self._scope)
        logger.warning("[HTTP_POOL] %s failed: %s", call.request_id, error.log_message)
        if self._has_started:
            return
        body = orjson.dumps(error_body_for(self._scope)(error, call.request_id))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after))
        await self._start(error.status, headers)
        await self.end(body)
