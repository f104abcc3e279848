"""The web app: Quart's views for the routes, and the proxy, behind the gate."""

from typing import cast

import trio
from attrs import Factory, frozen
from quart_trio import QuartTrio

from trioproxy.asgi_server.asgi import ASGIApp, Receive, Scope, Send
from trioproxy.asgi_server.watcher import Watcher
from trioproxy.dialects.anthropic.request import RequestDefaults
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
from trioproxy.web import error_handlers
from trioproxy.web.gate.access_policy import AccessPolicy
from trioproxy.web.gate.context import current_context
from trioproxy.web.gate.drain_gate import DrainGate
from trioproxy.web.gate.middleware import Gate, RequestMiddleware
from trioproxy.web.gate.rate_limiter import RateLimiter
from trioproxy.web.model_response import ModelConnection
from trioproxy.web.observe import request_log
from trioproxy.web.observe.cli_facts import CliFacts
from trioproxy.web.observe.metrics import Metrics
from trioproxy.web.observe.notes import NotesLog
from trioproxy.web.observe.registry import RequestRegistry
from trioproxy.web.observe.snapshot import Snapshot
from trioproxy.web.routes import (
    capabilities,
    count_tokens,
    health,
    messages,
    metrics,
    models,
    openai,
    page,
    stats,
    table,
)
from trioproxy.web.routes.forward import Forward
from trioproxy.web.routes.views import add_routes


@frozen
class WebConfig:
    """The settings that the web app reads."""

    server: ServerSettings = Factory(ServerSettings)
    auth: AuthSettings = Factory(AuthSettings)
    logging: LoggingSettings = Factory(LoggingSettings)
    rules: RequestDefaults = Factory(RequestDefaults)
    openai: OpenAISettings = Factory(OpenAISettings)
    pool: PoolSettings = Factory(PoolSettings)
    cli: CliFacts = Factory(CliFacts)
    is_offline: bool = False


def create_web(
    pool: Pool,
    client: ForwardClient,
    watcher: Watcher,
    config: WebConfig,
    api: ApiClient | None = None,
) -> RequestMiddleware:
    """An ASGI callable for `http` scopes. `client` passes requests on, `api` counts tokens."""
    settings = config.server
    gate = Gate(
        watcher,
        AccessPolicy.of(settings, config.auth),
        DrainGate(settings.max_concurrent_requests),
        RateLimiter(config.auth),
        RequestRegistry(),
        ((b"x-trioproxy-offline", b"true"),) if config.is_offline else (),
    )
    pages = _create_quart(pool, client, config, gate, api)
    passing_on = Forward(client, timeout=settings.body_timeout)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        record = current_context(scope).record
        if scope["raw_path"].startswith(PREFIX):
            record.route = "/proxy"  # and the upstream, once it is known that there is one
            await passing_on(scope, receive, send)
        else:
            record.route = table.label(scope["path"])
            await cast(ASGIApp, pages)(scope, receive, send)

    return RequestMiddleware(route, gate)


def _create_quart(
    pool: Pool, client: ForwardClient, config: WebConfig, gate: Gate, api: ApiClient | None
) -> QuartTrio:
    settings, rules = config.server, config.rules
    quart = QuartTrio("trioproxy", static_folder=None)
    quart.asgi_http_class = ModelConnection
    quart.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_size,
        BODY_TIMEOUT=settings.body_timeout,
        RESPONSE_TIMEOUT=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    measured = Metrics(pool.statistics, client.statistics, lambda: pool.models.known)
    gate.registry.on_ended.append(measured.ended)
    gate.registry.on_ended.append(NotesLog().log)
    if config.logging.requests:
        gate.registry.on_settled.append(request_log.log)
    if config.logging.bodies:
        gate.registry.keeps_bodies = True
        gate.registry.on_settled.append(request_log.log_bodies)
    error_handlers.install(quart)
    snapshot = Snapshot(
        pool, client, gate.registry, gate.drain, config.pool, is_offline=config.is_offline
    )
    views = {
        **messages.views(pool, rules, settings),
        **openai.views(pool, rules, config.openai, settings),
        **count_tokens.views(pool, api, rules),
        **models.views(pool, config.openai.models),
        **capabilities.views(),
        **stats.views(pool, client),
        **health.views(pool, client, gate, config.cli),
        **metrics.views(measured),
        **page.views(lambda: snapshot(trio.current_time())),
    }
    assert views.keys() == {route.view for route in table.ROUTES}
    add_routes(quart, views)
    return quart
