"""The Quart app: its routes over a pool, behind the presence of each client."""

from typing import cast

from quart_trio import QuartTrio

from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import failures, messages, operations
from trioproxy.web.presence import ASGIApp, Headers, Presence


def create_web(pool: Pool, settings: ServerSettings, headers: Headers = ()) -> Presence:
    """An ASGI callable for `http` scopes. `headers` go onto every response."""
    quart = QuartTrio("trioproxy", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_size,
        BODY_TIMEOUT=settings.body_timeout,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    failures.install(quart)
    messages.install(quart, pool, max_messages=settings.max_messages)
    operations.install(quart, pool)
    inner = cast(ASGIApp, quart)
    return Presence(inner, headers=headers, send_timeout=settings.send_timeout)
