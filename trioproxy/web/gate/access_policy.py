"""Who may ask: decided from a request's head, before anything else is done with it.

A web page that a browser on this machine shows could post to a server on loopback. It cannot
hide where it is from: a request of another site's has an `Origin` or a `Sec-Fetch-Site` that says
so, and one whose name was given this machine's address (DNS rebinding) has that name as `Host`.
"""

import base64
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from trioproxy.api_keys import DEFAULT, ApiKeys
from trioproxy.dialects.json_checks import short
from trioproxy.errors import Forbidden, HeadTooLarge, InvalidRequest, Unauthorized
from trioproxy.forward.headers import Header
from trioproxy.refusals import Refusal
from trioproxy.settings import AuthSettings, ServerSettings
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


@frozen
class Caller:
    """Who sent a request: `token` is the name of its token, empty where none is required.

    `credential_headers` carried it, and go no further. `origin` is a foreign site that may read
    the response; empty if there is none.
    """

    token: str = ""
    credential_headers: frozenset[Header] = frozenset()
    origin: str = ""
    is_preflight: bool = False

    @property
    def cors(self) -> tuple[Header, ...]:
        """The headers that let a page of `origin` read the answer."""
        if not self.origin:
            return ()
        allowed = ((b"access-control-allow-origin", self.origin.encode("latin-1")), *_CORS)
        return allowed + _CORS_PREFLIGHT if self.is_preflight else allowed


_CORS = (
    (b"vary", b"origin"),
    (
        b"access-control-expose-headers",
        b"request-id, x-request-id, retry-after, x-trioproxy-notes",
    ),
)
_CORS_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"600"),
)


@frozen
class AccessPolicy:
    """Decides by the head of a request. `AccessPolicy.of(...)` makes it from settings."""

    _tokens: ApiKeys
    _hosts: frozenset[str]
    _origins: frozenset[str]
    _is_exposed: bool
    _max_head: int

    @classmethod
    def of(cls, server: ServerSettings, auth: AuthSettings) -> "AccessPolicy":
        """The policy that the settings describe."""
        stored = {**auth.tokens, **({DEFAULT: auth.token} if auth.token else {})}
        hosts = frozenset(host.lower() for host in server.allowed_hosts)
        origins = frozenset(server.allowed_origins)
        return cls(ApiKeys.of(stored), hosts, origins, server.expose, server.max_header_size)

    def admit(self, scope: Mapping[str, Any]) -> Caller:
        """Who sent a request, by its head. Raises a `CallerError` if it is not admitted."""
        headers: Sequence[Header] = scope["headers"]
        self._check_size(headers)
        by_name = {name: value.decode("latin-1") for name, value in headers}
        _check_framing(scope, by_name)
        self._check_address(scope)
        self._check_host(by_name.get(b"host", ""))
        origin = self._foreign_origin(by_name, scope)
        if origin and _is_preflight(scope, by_name):
            return Caller(origin=origin, is_preflight=True)  # it has no credentials
        if not self._tokens or table.audience(scope["path"]) is Audience.PUBLIC:
            return Caller(origin=origin)
        return self._authenticate(headers, origin)

    def _check_size(self, headers: Sequence[Header]) -> None:
        # Hypercorn looks only at a head that comes in pieces.
        if sum(len(name) + len(value) + 4 for name, value in headers) > self._max_head:
            raise HeadTooLarge(f"The headers are longer than {self._max_head} bytes.")

    def _check_address(self, scope: Mapping[str, Any]) -> None:
        if not (self._tokens or self._is_exposed or _is_local(scope.get("server"))):
            raise Forbidden(
                "This server requires no token, so it accepts requests from its own machine only. "
                "Set a token in `[auth]` or AUTH_TOKEN, or set `[server] expose`."
            )

    def _authenticate(self, headers: Sequence[Header], origin: str) -> Caller:
        names = {header: self._name_in(header) for header in headers}
        credentials = frozenset(header for header, name in names.items() if name)
        if not credentials:
            raise Unauthorized(
                "Authentication required: send `Authorization: Bearer ...` or `x-api-key: ...` "
                "with one of `[auth] tokens` of this server's settings, or its AUTH_TOKEN."
            )
        return Caller(next(filter(None, names.values())) or "", credentials, origin)

    def _name_in(self, header: Header) -> str | None:
        """The name of the token in a header; None if it has none."""
        return next(filter(None, map(self._tokens.name_of, _presented(*header))), None)

    def _check_host(self, host: str) -> None:
        name = _without_port(host).lower()
        if not name:
            return  # HTTP/1.0: a browser always sends it
        if name in self._hosts or name in _LOCAL or (self._tokens and not self._hosts):
            return
        if _is_address(name) and not self._hosts:
            return
        raise Forbidden(
            f"This server does not answer to the host {short(name)!r}. "
            "If it should, add it to `[server] allowed_hosts`."
        )

    def _foreign_origin(self, by_name: Mapping[bytes, str], scope: Mapping[str, Any]) -> str:
        origin = by_name.get(b"origin", "")
        if origin in self._origins and origin:
            return origin
        if origin:
            if origin.lower() in {
                f"{item}://{by_name.get(b'host', '')}".lower() for item in _SCHEMES
            }:
                return ""
            raise Forbidden(
                f"Web pages of {short(origin)!r} may not use this server. "
                "If they should, add the site to `[server] allowed_origins`."
            )
        is_visit = scope["path"] == "/" and by_name.get(b"sec-fetch-mode") == "navigate"
        if by_name.get(b"sec-fetch-site") in _FOREIGN_SITES and not is_visit:
            raise Forbidden("Web pages of other sites may not use this server.")
        return ""


_SCHEMES = ("http", "https")


def _check_framing(scope: Mapping[str, Any], by_name: Mapping[bytes, str]) -> None:
    if not scope["raw_path"].startswith(b"/"):
        raise InvalidRequest(Refusal.FRAMING, "must begin with /", path="request target")
    if b"transfer-encoding" in by_name and b"content-length" in by_name:
        reason = "cannot be combined with Content-Length"
        raise InvalidRequest(Refusal.FRAMING, reason, path="transfer-encoding")


def _is_preflight(scope: Mapping[str, Any], by_name: Mapping[bytes, str]) -> bool:
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in by_name


def _presented(name: bytes, value: bytes) -> Iterable[str]:
    """The tokens that a header may carry."""
    text = value.decode("latin-1").strip()
    if name == b"x-api-key":
        yield text
    elif name == b"authorization":
        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "bearer":
            yield rest.strip()
        elif scheme.lower() == "basic":  # a browser asks its user for it, to show the page
            yield _password(rest)


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_local(server: tuple[str, int | None] | None) -> bool:
    """Whether a connection came in on an address that only this machine reaches."""
    if server is None or not _is_address(server[0]):
        return True  # a Unix socket
    address = ipaddress.ip_address(server[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
