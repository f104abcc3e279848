"""The Quart app: its routes over a pool, behind the presence of each client."""

from collections.abc import Mapping
from typing import cast

from attrs import Factory, frozen
from quart_trio import QuartTrio

from trioproxy.dialects.anthropic import Rules
from trioproxy.forward.api import ApiClient
from trioproxy.forward.client import ForwardClient
from trioproxy.forward.upstream import PREFIX
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web import (
    capabilities,
    count_tokens,
    failures,
    forward,
    messages,
    models,
    openai,
    operations,
)
from trioproxy.web.presence import ASGIApp, Headers, Presence, Receive, Scope, Send
from trioproxy.web.transport import Watcher


@frozen
class Terms:
    """What the operator lays down for callers.

    `openai_models` are OpenAI's names for Claude's models, and `headers` go onto every response.
    """

    server: ServerSettings = Factory(ServerSettings)
    rules: Rules = Factory(Rules)
    openai_models: Mapping[str, str] = Factory(dict)
    headers: Headers = ()


def create_web(
    pool: Pool,
    client: ForwardClient,
    watcher: Watcher,
    terms: Terms,
    api: ApiClient | None = None,
) -> Presence:
    """An ASGI callable for `http` scopes. `client` passes requests on, `api` counts tokens."""
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
    operations.install(quart, pool, client)
    pages = cast(ASGIApp, quart)
    passing_on = forward.Forward(client, patience=settings.body_timeout)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"].startswith(PREFIX):
            await passing_on(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return Presence(route, watcher, headers=terms.headers)
