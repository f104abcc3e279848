"""Which headers go on, and how long a body is.

Names are in lower case throughout.

Hop-by-hop headers end here, with those that `Connection` names (RFC 9110, 7.6.1). The length of a
body is what was understood here, said anew: an upstream cannot understand it otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import frozen

from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Header: TypeAlias = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Said anew, or answered here already.
_OURS = _HOP_BY_HOP | {
    b"content-length",
    b"expect",
    b"forwarded",
    b"host",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-real-ip",
}
# Hypercorn writes its own; and another server is for upstreams to know, not for clients.
_THE_SERVERS = _HOP_BY_HOP | {b"alt-svc", b"date", b"server"}


@frozen
class ClientAddress:
    """What this server has seen of the one who asks."""

    address: str
    scheme: str
    http_version: str
    request_id: str


def outgoing(headers: Sequence[Header], host: str, caller: ClientAddress) -> list[Header]:
    """The headers of the request to `host`. Raises `InvalidRequest` for two lengths of a body."""
    headers = [(name.lower(), value) for name, value in headers]
    length = _body_length(headers, caller.http_version)
    dropped = _OURS | _named_by_connection(headers)
    kept = [header for header in headers if header[0] not in dropped]
    forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
    sent = [
        (b"host", host.encode()),
        *kept,
        *length,
        (b"x-forwarded-for", b", ".join([*forwarded, caller.address.encode()])),
        (b"x-forwarded-proto", caller.scheme.encode()),
    ]
    sent += ((b"x-forwarded-host", value) for name, value in headers if name == b"host")
    if not any(name == b"x-request-id" for name, _ in kept):
        sent.append((b"x-request-id", caller.request_id.encode()))
    return sent


def _body_length(headers: Iterable[Header], http_version: str) -> list[Header]:
    """How the body is framed: by its length, in chunks, or not at all."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (lengths or http_version == "1.0" or len(codings) > 1):
        # One of the two is a lie that some server on the way would believe.
        raise InvalidRequest(
            Refusal.FRAMING, "cannot be combined with Content-Length", path="transfer-encoding"
        )
    if codings:
        if codings[0].strip().lower() != b"chunked":
            raise InvalidRequest(Refusal.FRAMING, "must be chunked", path="transfer-encoding")
        return [(b"transfer-encoding", b"chunked")]
    if not lengths:
        return []
    if len(set(lengths)) > 1 or not lengths[0].isdigit():
        raise InvalidRequest(Refusal.FRAMING, "must be a single number", path="content-length")
    return [(b"content-length", lengths[0])]


def has_body(headers: Iterable[Header]) -> bool:
    """Whether a request with these headers has a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in headers
    )


def incoming(headers: Sequence[Header]) -> list[Header]:
    """The headers of an answer for the client."""
    dropped = _THE_SERVERS | _named_by_connection(headers)
    if value_of(headers, b"transfer-encoding"):
        dropped |= {b"content-length"}  # the chunks say it, and they win
    return [header for header in headers if header[0] not in dropped]


def value_of(headers: Iterable[Header], searched: bytes) -> bytes:
    """The first value of a header; empty if there is none."""
    return next((value for name, value in headers if name == searched), b"")


def is_event_stream(value: bytes) -> bool:
    """Whether a `content-type` or `accept` means server-sent events."""
    return b"text/event-stream" in value.lower()


def _named_by_connection(headers: Iterable[Header]) -> set[bytes]:
    return {
        name.strip().lower()
        for header, value in headers
        if header == b"connection"
        for name in value.split(b",")
    }
