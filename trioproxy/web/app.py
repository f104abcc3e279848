"""The Quart app: its routes over a pool, behind the presence of each client."""

from typing import Any, cast

import trio
from attrs import Factory, frozen
from quart_trio import QuartTrio

from trioproxy.dialects.anthropic import Rules
from trioproxy.forward.api import ApiClient
from trioproxy.forward.client import ForwardClient
from trioproxy.forward.upstream import PREFIX
from trioproxy.pool.pool import Pool
from trioproxy.settings import (
    AuthSettings,
    LoggingSettings,
    OpenAISettings,
    PoolSettings,
    ServerSettings,
)
from trioproxy.web import (
    capabilities,
    count_tokens,
    failures,
    health,
    messages,
    metrics,
    models,
    openai,
    operations,
    page,
    request_log,
)
from trioproxy.web.admission import Admission
from trioproxy.web.book import Book
from trioproxy.web.forward import Forward
from trioproxy.web.metrics import Metrics
from trioproxy.web.notes import NotesLog
from trioproxy.web.presence import (
    ASGIApp,
    Front,
    Presence,
    Receive,
    Scope,
    Send,
    current_call,
)
from trioproxy.web.quota import Quota
from trioproxy.web.snapshot import snapshot
from trioproxy.web.transport import Watcher


@frozen
class Terms:
    """What the operator lays down for callers."""

    server: ServerSettings = Factory(ServerSettings)
    auth: AuthSettings = Factory(AuthSettings)
    logging: LoggingSettings = Factory(LoggingSettings)
    rules: Rules = Factory(Rules)
    openai: OpenAISettings = Factory(OpenAISettings)
    pool: PoolSettings = Factory(PoolSettings)
    is_offline: bool = False


def create_web(
    pool: Pool,
    client: ForwardClient,
    watcher: Watcher,
    terms: Terms,
    api: ApiClient | None = None,
) -> Presence:
    """An ASGI callable for `http` scopes. `client` passes requests on, `api` counts tokens."""
    settings = terms.server
    front = Front(
        watcher,
        Admission.of(settings, terms.auth),
        Quota(terms.auth, settings.max_requests, settings.max_connections),
        Book(),
        ((b"x-trioproxy-offline", b"true"),) if terms.is_offline else (),
    )
    pages = _create_quart(pool, client, terms, front, api)
    passing_on = Forward(client, patience=settings.body_timeout)
    routes = _routes(pages)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        entry = current_call(scope).entry
        if scope["raw_path"].startswith(PREFIX):
            entry.route = "/proxy"  # and the upstream, once it is known that there is one
            await passing_on(scope, receive, send)
        else:
            entry.route = routes.get(scope["path"]) or _pattern(scope["path"])
            await cast(ASGIApp, pages)(scope, receive, send)

    return Presence(route, front, tuple(pages.url_map.iter_rules()))


def _create_quart(
    pool: Pool, client: ForwardClient, terms: Terms, front: Front, api: ApiClient | None
) -> QuartTrio:
    settings, rules = terms.server, terms.rules
    quart = QuartTrio("trioproxy", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_size,
        BODY_TIMEOUT=settings.body_timeout,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    measured = Metrics(pool.statistics, client.statistics, lambda: pool.models.known)
    front.book.on_ended.append(measured.ended)
    front.book.on_ended.append(NotesLog().log)
    if terms.logging.requests:
        front.book.on_settled.append(request_log.log)
    if terms.logging.bodies:
        front.book.keeps_bodies = True
        front.book.on_settled.append(request_log.log_bodies)
    failures.install(quart)
    messages.install(quart, pool, rules, settings)
    openai.install(quart, pool, rules, terms.openai, settings)
    count_tokens.install(quart, pool, api, rules)
    models.install(quart, pool, terms.openai.models)
    capabilities.install(quart)
    operations.install(quart, pool, client)
    health.install(quart, pool, client, front)
    metrics.install(quart, measured)
    page.install(quart, lambda: _snapshot(pool, client, terms, front))
    return quart


def _snapshot(pool: Pool, client: ForwardClient, terms: Terms, front: Front) -> dict[str, Any]:
    return snapshot(
        pool,
        client,
        front.book,
        now=trio.current_time(),
        is_offline=terms.is_offline,
        is_closing=front.quota.is_closed,
        settings=terms.pool,
    )


def _routes(pages: QuartTrio) -> dict[str, str]:
    """The paths that are served as they are."""
    rules = (rule.rule for rule in pages.url_map.iter_rules())
    return {rule: rule for rule in rules if "<" not in rule}


def _pattern(path: str) -> str:
    """The pattern of a path that has a part of the caller's; what is not served is "other"."""
    for prefix in ("/v1/models/", "/openai/v1/models/", "/anthropic/v1/models/"):
        if path.startswith(prefix):
            return f"{prefix}{{id}}"
    return "other"
