"""Responses as every route gives them."""

from typing import Any

import orjson
from quart_trio.wrappers import TrioResponse

from trioproxy.errors import (
    HeadTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    PoolClosed,
    TrioproxyError,
    Unauthorized,
    UnsupportedEncoding,
)
from trioproxy.web.bodies import TAKEN
from trioproxy.web.dialect import error_body_for

_FRAMING = {"transfer-encoding", "content-length"}


def as_json(body: object, status: int = 200) -> TrioResponse:
    """`body` as a JSON response."""
    return TrioResponse(orjson.dumps(body), status, content_type="application/json")


def as_error(
    error: TrioproxyError, scope: dict[str, Any], request_id: str
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the response that tells the caller of an ASGI scope of `error`."""
    body = orjson.dumps(error_body_for(scope)(error, request_id))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    match error:
        case MethodNotAllowed(allowed=[*allowed]) if allowed:
            headers.append((b"allow", ", ".join(allowed).encode()))
        case UnsupportedEncoding():
            headers.append((b"accept-encoding", ", ".join(TAKEN).encode()))
        case Unauthorized():
            headers.append((b"www-authenticate", b'Bearer, Basic realm="trioproxy"'))
        case HeadTooLarge() | PoolClosed():
            headers.append((b"connection", b"close"))
        case InvalidRequest(path=path) if path in _FRAMING:
            # What is behind this request may be another one, or a part of it: nobody knows.
            headers.append((b"connection", b"close"))
    return headers, body
