"""The Quart app: its routes over a pool, behind the presence of each client."""

from collections.abc import Mapping
from typing import cast

from attrs import Factory, frozen
from quart_trio import QuartTrio

from trioproxy.dialects.anthropic import Rules
from trioproxy.forward.client import ApiClient
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import (
    capabilities,
    count_tokens,
    failures,
    messages,
    models,
    openai,
    operations,
)
from trioproxy.web.presence import ASGIApp, Headers, Presence


@frozen
class Terms:
    """What the operator lays down for callers.

    `openai_models` are OpenAI's names for Claude's models, and `headers` go onto every response.
    """

    server: ServerSettings = Factory(ServerSettings)
    rules: Rules = Factory(Rules)
    openai_models: Mapping[str, str] = Factory(dict)
    headers: Headers = ()


def create_web(pool: Pool, terms: Terms, api: ApiClient | None = None) -> Presence:
    """An ASGI callable for `http` scopes. `api` counts tokens."""
    settings, rules, mapped = terms.server, terms.rules, terms.openai_models
    quart = QuartTrio("trioproxy", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_size,
        BODY_TIMEOUT=settings.body_timeout,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    failures.install(quart)
    messages.install(quart, pool, rules, ping_interval=settings.ping_interval)
    openai.install(quart, pool, rules, mapped, ping_interval=settings.ping_interval)
    count_tokens.install(quart, pool, api, rules)
    models.install(quart, pool, mapped)
    capabilities.install(quart)
    operations.install(quart, pool)
    inner = cast(ASGIApp, quart)
    return Presence(inner, headers=terms.headers, send_timeout=settings.send_timeout)
