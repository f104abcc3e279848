"""Where requests may go, and what a path means there.

A path of ours is `/proxy/<upstream>/<rest>`; the target is the upstream's own path and the rest,
byte for byte. What a server behind it could read as another place is refused, however often it
decodes: dot segments, backslashes, control characters, a second host.
"""

import re
from urllib.parse import unquote_to_bytes, urlsplit

from attrs import frozen

from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

PREFIX = b"/proxy/"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PRINTABLE = re.compile(rb"[\x21-\x22\x24-\x7e]*")  # all that a target may have; "#" is not
_CONTROL = re.compile(rb"[\x00-\x1f\x7f\\]")
_END = re.compile(rb"[;?#\s]")  # of a segment, for some servers
_DOT = re.compile(rb"\xc0\xae|\xef\xbc\x8e")  # what some take for one
_SCHEME = re.compile(rb"/*[A-Za-z][A-Za-z0-9+.-]*:/")
_DECODINGS = 4  # of a path; one that is still encoded then hides something


@frozen
class Upstream:
    """A server that requests may go to. `path`: what stands before every target's own."""

    name: str
    url: str
    scheme: str
    host: str
    path: bytes

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")

    def target(self, rest: bytes, query: bytes) -> bytes:
        """The request target for the `rest` of a path. Raises `InvalidRequest`."""
        _check(rest, query)
        path = self.path + rest or b"/"
        return path + b"?" + query if query else path


def read_upstream(name: str, url: str) -> Upstream:
    """The upstream at `url`. Raises `ValueError` with the reason if it is invalid."""
    try:
        parts = urlsplit(url)
        is_bad = (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.port == 0
            or parts.username is not None
            or "?" in url
            or "#" in url
            or not _is_plain(url)
        )
    except ValueError:
        is_bad = True
    if is_bad:
        raise ValueError(f"must be http(s)://host[:port][/path], not {_without_user(url)!r}")
    path = parts.path.rstrip("/").encode()
    try:
        _check(path, b"")
    except InvalidRequest as error:
        raise ValueError(str(error)) from error
    return Upstream(name, url, parts.scheme, parts.netloc.lower(), path)


def check_name(name: str) -> None:
    """Raises `ValueError` for a name that cannot stand in a path."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name may contain letters, digits, '_', '.' and '-'")


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def _without_user(url: str) -> str:
    """It may be a password that stands there."""
    head, mark, tail = url.rpartition("@")
    return f"...@{tail}" if mark and head else url


def split(raw_path: bytes) -> tuple[str, bytes]:
    """The upstream's name in a path below `PREFIX`, and the rest."""
    found, slash, rest = raw_path.removeprefix(PREFIX).partition(b"/")
    name = found.decode("latin-1")
    return name if _NAME.fullmatch(name) else "", slash + rest


def _check(rest: bytes, query: bytes) -> None:
    if not (_PRINTABLE.fullmatch(rest) and _PRINTABLE.fullmatch(query)):
        raise InvalidRequest(
            Refusal.FRAMING,
            "contains characters that are invalid in a request target",
            path="path",
        )
    for _ in range(_DECODINGS):
        _check_decoded(rest)
        decoded = unquote_to_bytes(rest)
        if decoded == rest:
            return
        rest = decoded
    raise InvalidRequest(Refusal.FRAMING, "is percent-encoded too many times", path="path")


def _check_decoded(rest: bytes) -> None:
    if _CONTROL.search(rest):
        raise InvalidRequest(
            Refusal.FRAMING, "contains a backslash or a control character", path="path"
        )
    if rest.startswith(b"//") or _SCHEME.match(rest):
        raise InvalidRequest(Refusal.FRAMING, "must not name a host", path="path")
    rest = _DOT.sub(b".", rest)
    if b"/." in rest and any(
        _END.split(segment)[0] in {b".", b".."} for segment in rest.split(b"/")
    ):
        raise InvalidRequest(Refusal.FRAMING, "contains a segment '.' or '..'", path="path")
