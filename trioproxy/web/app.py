"""The Quart app: its routes over a pool, behind the presence of each client."""

from typing import cast

from quart_trio import QuartTrio

from trioproxy.dialects.anthropic import Rules
from trioproxy.forward.client import ApiClient
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import capabilities, count_tokens, failures, messages, models, operations
from trioproxy.web.presence import ASGIApp, Headers, Presence


def create_web(
    pool: Pool,
    settings: ServerSettings,
    rules: Rules,
    *,
    api: ApiClient | None = None,
    headers: Headers = (),
) -> Presence:
    """An ASGI callable for `http` scopes.

    `rules` hold for every request, `headers` go onto every response, and `api` counts tokens.
    """
    quart = QuartTrio("trioproxy", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_size,
        BODY_TIMEOUT=settings.body_timeout,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    failures.install(quart)
    messages.install(quart, pool, rules, ping_interval=settings.ping_interval)
    count_tokens.install(quart, pool, api, rules)
    models.install(quart, pool)
    capabilities.install(quart)
    operations.install(quart, pool)
    inner = cast(ASGIApp, quart)
    return Presence(inner, headers=headers, send_timeout=settings.send_timeout)
