"""The Anthropic API, asked by this server for itself, with the operator's key."""

from collections.abc import Iterable
from contextlib import aclosing

import trio
from attrs import frozen

from trioproxy.errors import UpstreamTimeout
from trioproxy.forward.body import RequestBody
from trioproxy.forward.client import ForwardClient
from trioproxy.forward.connection import Request
from trioproxy.forward.headers import Header, value_of

NAME = "count tokens"  # no path can say it: it is for this server alone
_VERSION = b"2023-06-01"


@frozen
class Response:
    """A response of the API."""

    status: int
    body: bytes
    content_type: str


@frozen
class ApiClient:
    """Sends requests to the upstream `NAME`, with the operator's key."""

    _client: ForwardClient
    _key: str
    _timeout: float

    async def post(self, path: bytes, content: bytes, headers: Iterable[Header]) -> Response:
        """Send one request. Raises `UpstreamError` when there is no response."""
        upstream = self._client.pools[NAME].upstream
        sent = [
            (b"host", upstream.host.encode()),
            (b"x-api-key", self._key.encode()),
            (b"anthropic-version", _VERSION),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"accept-encoding", b"identity"),
            *headers,
        ]
        request = Request("POST", upstream.target(path, b""), sent, RequestBody.of(content))
        with trio.move_on_after(self._timeout) as asking:
            async with (
                self._client.answering(NAME, request) as answer,
                aclosing(answer.chunks()) as chunks,
            ):
                body = b"".join([chunk async for chunk in chunks])
        if asking.cancelled_caught:
            raise UpstreamTimeout(f"The API did not answer within {self._timeout:g} s.")
        kind = value_of(answer.headers, b"content-type") or b"application/json"
        return Response(answer.status, body, kind.decode("latin-1"))
