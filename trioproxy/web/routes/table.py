"""Every path that is served, in one table: Quart's rules, the gate and the records read it.

`/proxy/` is not in it: see `forward.py`, which takes every path below.
"""

from collections.abc import Iterator
from enum import Enum

from attrs import frozen


class Audience(Enum):
    """Who a path is for. What is not for callers is neither limited nor drained nor recorded."""

    CALLER = "caller"
    OPERATOR = "operator"
    PAGE = "page"  # the operator's page, its files and its data
    PUBLIC = "public"  # needs no token, and tells nothing


class Dialect(Enum):
    """Whose API a path belongs to. SHARED: both have it, and the caller's headers decide."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    SHARED = "shared"


@frozen
class Route:
    """A path, as Quart writes it, and the name of its view."""

    path: str
    view: str
    method: str = "GET"
    audience: Audience = Audience.CALLER
    dialect: Dialect = Dialect.ANTHROPIC

    @property
    def label(self) -> str:
        """The path for the log and the metrics: nothing in it is a caller's text."""
        return self.path.replace("<path:name>", "{id}")


def _anthropic(path: str, view: str, method: str = "POST") -> Iterator[Route]:
    yield Route(path, view, method)
    yield Route(f"/anthropic{path}", view, method)


def _openai(path: str, view: str, method: str = "POST") -> Iterator[Route]:
    yield Route(path, view, method, dialect=Dialect.OPENAI)
    yield Route(f"/openai{path}", view, method, dialect=Dialect.OPENAI)


def _shared(path: str, view: str) -> Iterator[Route]:
    yield Route(path, view, dialect=Dialect.SHARED)
    yield Route(f"/anthropic{path}", view)
    yield Route(f"/openai{path}", view, dialect=Dialect.OPENAI)


ROUTES = (
    *_anthropic("/v1/messages", "messages"),
    *_anthropic("/v1/messages/count_tokens", "count_tokens"),
    *_openai("/v1/chat/completions", "chat_completions"),
    *_openai("/v1/responses", "responses"),
    *_openai("/v1/responses/compact", "compact"),
    *_shared("/v1/models", "models"),
    *_shared("/v1/models/<path:name>", "model"),
    Route("/v1/capabilities", "capabilities"),
    Route("/", "index.html", audience=Audience.PAGE),
    Route("/status", "status", audience=Audience.PAGE),
    Route("/status/events", "status_events", audience=Audience.PAGE),
    Route("/status/page.css", "page.css", audience=Audience.PAGE),
    Route("/status/page.js", "page.js", audience=Audience.PAGE),
    Route("/status/icon.svg", "icon.svg", audience=Audience.PAGE),
    Route("/pool/stats", "pool_stats", audience=Audience.OPERATOR),
    Route("/http_pool/stats", "http_pool_stats", audience=Audience.OPERATOR),
    Route("/metrics", "metrics", audience=Audience.OPERATOR),
    Route("/health", "ready", audience=Audience.OPERATOR),
    Route("/health/ready", "ready", audience=Audience.OPERATOR),
    Route("/health/live", "live", audience=Audience.PUBLIC),
)

_BY_LABEL = {route.label: route for route in ROUTES}
_PATTERNS = tuple(
    (route.path.removesuffix("<path:name>"), route) for route in ROUTES if "<" in route.path
)
_OTHER = "other"


def find(path: str) -> Route | None:
    """The route that serves a path of a request; None if there is none."""
    route = _BY_LABEL.get(path)
    if route is not None and "{" not in path:
        return route
    for prefix, pattern in _PATTERNS:
        if path.startswith(prefix) and path != prefix:
            return pattern
    return None


def label(path: str) -> str:
    """The label of the route that serves a path; "other" if there is none."""
    route = find(path)
    return _OTHER if route is None else route.label


def audience(label: str) -> Audience:
    """Who the route with this label is for; a path of none is a caller's."""
    route = _BY_LABEL.get(label)
    return Audience.CALLER if route is None else route.audience


def dialect(path: str) -> Dialect:
    """Whose API a path belongs to: that of its route, or of the nearest one above it."""
    parent = path
    while parent.strip("/"):
        if (route := find(parent)) is not None:
            return route.dialect
        parent = parent.rpartition("/")[0]
    if path.startswith("/openai/"):
        return Dialect.OPENAI
    return Dialect.SHARED if path.startswith("/v1/") else Dialect.ANTHROPIC
