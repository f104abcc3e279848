"""`GET /`: a page that shows what the server does now, and `GET /status`, which tells programs.

The page asks for nothing but its own files and `/status/events`, and may run nothing else: the
policy below says so to the browser, and takes from scripts the means to make markup of data.
"""

from collections.abc import AsyncGenerator, Callable
from importlib.resources import files
from typing import Any

import orjson
import trio
from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects import sse
from trioproxy.web.routes.views import View, Views

_INTERVAL = 1.0  # seconds

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    # For the icon, by which the page finds out that its server is back.
    "object-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_ICON_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
_SAFETY = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_DATA = {**_SAFETY, "cache-control": "no-store"}
_FILE = {**_SAFETY, "cache-control": "no-cache"}
_ICON = {**_DATA, "content-security-policy": _ICON_POLICY}

_FILES = {
    "index.html": ("text/html; charset=utf-8", _FILE),
    "page.css": ("text/css; charset=utf-8", _FILE),
    "page.js": ("text/javascript; charset=utf-8", _FILE),
    "icon.svg": ("image/svg+xml", _ICON),
}

Snapshot = Callable[[], dict[str, Any]]


def views(snapshot: Snapshot) -> Views:
    """The views. Once `snapshot` has a true `closing`, streams of it end."""

    async def status() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        body = orjson.dumps(snapshot())
        return TrioResponse(body, content_type="application/json", headers=_DATA)

    async def status_events() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        # The response to a HEAD would else go on for ever, unseen.
        body = b"" if request.method == "HEAD" else _events(snapshot)
        response = TrioResponse(body, content_type=sse.CONTENT_TYPE, headers=_DATA)
        response.timeout = None  # Quart would cut the stream after a minute, and say nothing
        return response

    files_ = {name: _file(name, *how) for name, how in _FILES.items()}
    return {"status": status, "status_events": status_events, **files_}


def _file(name: str, content_type: str, headers: dict[str, str]) -> View:
    content = files("trioproxy.web").joinpath("static", name).read_bytes()

    async def file() -> TrioResponse:  # noqa: ASYNC124 - Quart runs a sync view in a thread
        return TrioResponse(content, content_type=content_type, headers=headers)

    return file


async def _events(snapshot: Snapshot) -> AsyncGenerator[bytes]:
    is_closing = False
    while not is_closing:
        now = snapshot()
        yield b"data: " + orjson.dumps(now) + b"\n\n"
        # A stream that went on would hold up the server's stop, whose end it could not tell.
        is_closing = now["closing"]
        if not is_closing:
            await trio.sleep(_INTERVAL)
