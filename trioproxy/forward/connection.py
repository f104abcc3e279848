"""One connection to an upstream, and what can go wrong on it.

A `Connection` is an httpx transport for one connection and no more. It opens at its first
request, and again where the upstream has closed it meanwhile.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import httpx
import trio
from attrs import define, field, frozen

from trioproxy.dialects.json_checks import short
from trioproxy.errors import (
    InvalidRequest,
    TrioproxyError,
    UpstreamError,
    UpstreamFailed,
    UpstreamTimeout,
)
from trioproxy.forward.body import ClientLeft, RequestBody
from trioproxy.forward.headers import Header, is_event_stream, value_of
from trioproxy.forward.upstream import Upstream
from trioproxy.refusals import Refusal

# How an exchange can fail, and what is said of it.
CAUSES = {
    "connect": "could not be reached",
    "connect_timeout": "could not be reached within the timeout",
    "tls": "failed the TLS handshake",
    "write_timeout": "stopped reading the request",
    "read_timeout": "did not answer in time",
    "lost": "closed the connection",
    "garbage": "sent an invalid HTTP response",
    "fault": "could not be used, because of a fault in this server",
}
_CAUSE_OF: dict[type[Exception], str] = {
    httpx.ConnectError: "connect",
    httpx.ConnectTimeout: "connect_timeout",
    httpx.ProxyError: "connect",
    httpx.WriteTimeout: "write_timeout",
    httpx.ReadTimeout: "read_timeout",
    httpx.ReadError: "lost",
    httpx.WriteError: "lost",
    httpx.RemoteProtocolError: "garbage",
}
_TIMEOUTS = {"connect_timeout", "write_timeout", "read_timeout"}
_LOST = ("Server disconnected", "peer closed connection")  # h11 and httpcore call it garbage

Context: TypeAlias = ssl.SSLContext

_TRUSTS_NOBODY: Context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # for where there is no TLS
_CLOSE = 2.0  # seconds for a connection to be closed in order
_CLOSED_ANYWAY = (httpx.HTTPError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


@frozen
class Timeouts:
    """Seconds for each step; `stream_read` is `read` for event streams."""

    connect: float
    read: float
    write: float
    stream_read: float

    def of(self, headers: Sequence[Header]) -> dict[str, float | None]:
        """As httpcore has them, for a request with these headers."""
        wants_events = is_event_stream(value_of(headers, b"accept"))
        read = self.stream_read if wants_events else self.read
        return {"connect": self.connect, "read": read, "write": self.write, "pool": None}


@frozen
class Request:
    """A request to an upstream."""

    method: str
    target: bytes
    headers: list[Header]
    body: RequestBody


@define(eq=False)
class Response:
    """What an upstream has answered; its body is still to come."""

    status: int
    headers: list[Header]
    _stream: httpx.AsyncByteStream
    _upstream: Upstream
    _is_closed: bool = False

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes, encoded as it came. Raises `UpstreamError`."""
        # Named, for it to outlive the closing: else its generators are collected half read.
        stream = aiter(self._stream)
        try:
            async for chunk in stream:
                yield chunk
        except httpx.HTTPError as error:
            raise _failure(self._upstream, error) from error
        finally:
            await self.aclose()  # noqa: ASYNC102 - it has a shield and a deadline

    async def aclose(self) -> None:
        """Read no further. Cannot be cancelled, and does not raise."""
        if self._is_closed:
            return
        self._is_closed = True
        with trio.move_on_after(_CLOSE, shield=True), suppress(*_CLOSED_ANYWAY):
            await self._stream.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks.__aiter__()


def make_context() -> Context:
    """The TLS settings of all connections: some 50 ms of work, and of reading files."""
    return httpx.create_ssl_context()


@define(eq=False)
class Connection:
    """One connection, or with `open_client` one client, that serves one request at a time."""

    upstream: Upstream
    _transport: httpx.AsyncBaseTransport
    _timeouts: Timeouts
    _has_proxy: bool = False
    _network: Any = None  # the stream under its latest answer
    idle_since: float = 0.0
    _url: httpx.URL = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._url = httpx.URL(self.upstream.url)

    async def send(self, request: Request) -> Response:
        """Send a request, and wait for the head of its answer.

        Raises `UpstreamError`, `InvalidRequest`, and what reading the request's body raises.
        """
        timeout = self._timeouts.of(request.headers)
        extensions: dict[str, Any] = {"timeout": timeout}
        if self._has_proxy:  # it must be told of the upstream too
            url = self._url.copy_with(raw_path=request.target)
        else:  # as it is: a URL's path is quoted anew
            url, extensions["target"] = self._url, request.target
        sent = httpx.Request(
            request.method,
            url,
            headers=request.headers,
            stream=_Body(request.body),
            extensions=extensions,
        )
        try:
            response = await self._transport.handle_async_request(sent)
        except httpx.LocalProtocolError as error:
            reason = short(str(error))  # it quotes a header whole
            raise InvalidRequest(
                Refusal.FRAMING, f"This request cannot be sent as HTTP/1.1: {reason}"
            ) from error
        except (TrioproxyError, ClientLeft):
            raise
        except Exception as error:
            raise _failure(self.upstream, error) from error
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        if is_event_stream(value_of(headers, b"content-type")):
            # httpcore looks when the body is read.
            timeout["read"] = self._timeouts.stream_read
        self._network = response.extensions["network_stream"]
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return Response(response.status_code, headers, response.stream, self.upstream)

    @property
    def is_open(self) -> bool:
        """Whether it can serve another request, as far as this side knows."""
        return (
            self._network is not None and self._socket_number() >= 0 and not self._has_leftovers()
        )

    def _has_leftovers(self) -> bool:
        """Whether something came behind the answer, that would be taken for the next one.

        httpcore does not look, and shows its parser to nobody.
        """
        pool = getattr(self._transport, "_pool", None)
        found = pool.connections[0] if pool and pool.connections else None
        while (inner := getattr(found, "_connection", None)) is not None:
            found = inner
        parser = getattr(found, "_h11_state", None)
        return parser is not None and bool(parser.trailing_data[0])

    @property
    def is_stale(self) -> bool:
        """Whether the upstream has closed it, or has spoken unasked."""
        return not self.is_open or bool(self._network.get_extra_info("is_readable"))

    def _socket_number(self) -> int:
        number: int = self._network.get_extra_info("socket").fileno()
        return number

    async def aclose(self) -> None:
        """Close it; a request on it fails. Cannot be cancelled, and does not raise."""
        with trio.move_on_after(_CLOSE, shield=True), suppress(*_CLOSED_ANYWAY):
            await self._transport.aclose()


def open_connection(
    upstream: Upstream, timeouts: Timeouts, context: Context | None, proxy: str = ""
) -> Connection:
    """A connection that is yet to be opened; `proxy`: by which HTTP proxy."""
    transport = httpx.AsyncHTTPTransport(
        verify=context or _TRUSTS_NOBODY,
        limits=httpx.Limits(max_connections=1, keepalive_expiry=None),  # expiry is the pool's
        proxy=proxy or None,
    )
    return Connection(upstream, transport, timeouts, bool(proxy))


def open_client(upstream: Upstream, timeouts: Timeouts, proxy: str = "") -> Connection:
    """A whole httpx client for one request, as programs have it that keep none."""
    return Connection(upstream, _ClientOfOne(proxy), timeouts, bool(proxy))


def check_url(url: str) -> None:
    """Raises `ValueError` for what httpx could not send to."""
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ValueError(f"is not a URL: {error}") from error
    if not host:
        raise ValueError("has no host")


def check_proxy(url: str) -> None:
    """Raises `ValueError`, which does not quote `url`, unless it is an HTTP proxy."""
    try:
        is_good = httpx.URL(url).scheme in {"http", "https"} and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        is_good = False
    if not is_good:
        raise ValueError("must be http://[user:password@]host:port")


class _ClientOfOne(httpx.AsyncBaseTransport):
    def __init__(self, proxy: str) -> None:
        self._client = httpx.AsyncClient(
            verify=make_context(), proxy=proxy or None, trust_env=False
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        await self._client.aclose()


def _failure(upstream: Upstream, error: Exception) -> UpstreamError:
    """The error for a caller, from an exception of httpx."""
    cause, reason = _CAUSE_OF.get(type(error), "fault"), str(error)
    if cause == "garbage" and reason.startswith(_LOST):
        cause = "lost"
    if cause == "connect" and (of_tls := _tls_error(error)) is not None:
        cause, reason = "tls", str(of_tls)
    kind = UpstreamTimeout if cause in _TIMEOUTS else UpstreamFailed
    message = f"The upstream {upstream.name!r} {CAUSES[cause]}."
    return kind(message, upstream=upstream.name, cause=cause, detail=reason)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What TLS had against a connection; None if it was not TLS."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
