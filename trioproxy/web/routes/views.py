"""What a module of routes gives to the app: its views, by the names that table.py has for them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.web.routes.table import ROUTES

View: TypeAlias = Callable[..., Awaitable[TrioResponse]]
Views: TypeAlias = Mapping[str, View]


def add_routes(app: QuartTrio, views: Views) -> None:
    """Serve the routes of these views, and no others of the table."""
    for route in ROUTES:
        if route.view in views:
            app.add_url_rule(route.path, route.path, views[route.view], methods=[route.method])
