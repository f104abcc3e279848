"""`hypercorn trioproxy.app:app --worker-class trio`: the ASGI callable, and the root of all tasks.

    lifespan  ->  open_server: stand-in (offline only) > forward client > guard > pool > web app
    http      ->  the web app that the lifespan opened

The lifespan scope is the root nursery: what is open is open for as long as the server lives, and
is closed in the reverse order. The web app travels to the `http` scopes in the lifespan's state,
so this module holds nothing, and importing it starts nothing and reads no file.
"""

import gc
import logging
import multiprocessing
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import trio
from attrs import evolve, frozen

from trioproxy import logs, startup_error
from trioproxy.api_keys import DEFAULT, as_hashed, check_stored
from trioproxy.asgi_server import connection
from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import (
    FIXED_ENVIRONMENT,
    MAX_RETRIES,
    Options,
    build_command,
    build_offline_command,
)
from trioproxy.claude.inherited import SET_PER_TURN, pass_env_problem
from trioproxy.claude.session import Session
from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.errors import TrioproxyError
from trioproxy.forward.api import NAME as COUNT_TOKENS
from trioproxy.forward.api import ApiClient
from trioproxy.forward.client import ForwardClient, open_forward_client
from trioproxy.forward.connection import check_proxy, check_url
from trioproxy.forward.upstream import Upstream, check_name, read_upstream
from trioproxy.pool.guard import open_guard
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import open_process
from trioproxy.settings import (
    AuthSettings,
    ClaudeSettings,
    PoolSettings,
    ServerSettings,
    Settings,
    SettingsError,
    load_settings,
)
from trioproxy.settings.values import shorten
from trioproxy.standin import StandIn, serve_standin
from trioproxy.web.app import WebConfig, create_web
from trioproxy.web.gate.middleware import ASGIApp, Receive, RequestMiddleware, Scope, Send

logger = logging.getLogger("trioproxy.app")

connection.install()

_BANNER = (
    "OFFLINE: every answer comes from the stand-in on this machine, none from a model. "
    "Unset `[claude] offline` (CLAUDE__OFFLINE) to use your account."
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope."""
    if scope["type"] == "lifespan":
        await _serve_lifespan(scope, receive, send)
    elif scope["type"] == "http":
        web: ASGIApp = scope["state"][connection.STATE]
        await web(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1000})


async def _serve_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # lifespan.startup
    if not trio.lowlevel.in_trio_run():
        error = SettingsError(["hypercorn: this app needs Trio: add `--worker-class trio`"])
        await _refuse_to_start(error, send)
        return
    try:
        loaded = load_settings(os.environ, Path())
        settings = loaded.settings
        logs.configure(settings.logging.level, settings.logging.format)
        for warning in loaded.warnings:
            logger.warning("[STARTUP] %s", warning)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(open_server(settings, os.environ))
            scope["state"][connection.STATE] = server.web
            _settle_memory()
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
            logger.info("[SHUTDOWN] Shutting down Claude connection pool...")
        logger.info("[SHUTDOWN] Claude connection pool shut down successfully")
    except (SettingsError, TrioproxyError) as error:
        await _refuse_to_start(error, send)
    except BaseExceptionGroup as group:
        fault, others = group.split(Exception)
        if fault is None:
            raise
        if fault.subgroup(ParentGone) is not None:
            logger.warning("[SHUTDOWN] The parent process is gone; this worker ends too")
            os._exit(1)  # all is closed, and Hypercorn's loop would serve on without a lifespan
        logger.critical("The server failed and ends", exc_info=fault)
        if others is not None:
            raise others from None
        await send({"type": "lifespan.shutdown.failed", "message": "the server failed"})
    else:
        await send({"type": "lifespan.shutdown.complete"})


def _settle_memory() -> None:
    """Spare the collector what is there to stay, and the requests most of its passes.

    A twelfth of a forwarded request's time; its cycles are few and small.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _refuse_to_start(error: SettingsError | TrioproxyError, send: Send) -> None:
    problems = error.problems if isinstance(error, SettingsError) else (error.message,)
    startup_error.report(problems)
    startup_error.end_under_hypercorn()  # nothing is running yet
    await send({"type": "lifespan.startup.failed", "message": "\n".join(problems)})


@frozen
class Server:
    """An open server: its web app, its two pools, and the stand-in when it is offline."""

    web: RequestMiddleware
    pool: Pool
    client: ForwardClient
    standin: StandIn | None


@asynccontextmanager
async def open_server(settings: Settings, environ: Mapping[str, str]) -> AsyncGenerator[Server]:
    """Everything that answers, for as long as the block lasts.

    Raises `CliNotFound` or `SettingsError` before anything is started. Entering waits for the
    first process to have booted, or to have failed to: the others boot meanwhile.
    """
    binary = find_binary(settings.claude.cli_path, environ, wheel_binary())
    own_cwd = _own_cwd(settings.claude.cwd)
    options = _options(settings.claude)
    pool_settings = settings.pool_settings
    check(settings)  # what is wrong is told before anything is started
    _announce(pool_settings)
    with TemporaryDirectory(prefix="trioproxy-") as private:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with_parent)
            standin = StandIn() if settings.claude.offline else None
            cwd, home = own_cwd or _new(private, "work"), _new(private, "home")
            if standin is None:
                command = build_command(binary, environ, cwd, options)
            else:
                base_url: str = await nursery.start(serve_standin, standin)
                command = build_offline_command(
                    binary, environ, cwd, options, home=home, base_url=base_url
                )
                settings = _offline(settings, base_url)
                logger.warning(_BANNER)
            async with (
                open_forward_client(_upstreams(settings), settings.http_pool) as client,
                open_watcher(settings.server.send_timeout) as watcher,
                open_guard(private) as guard,
                open_pool(
                    pool_settings,
                    partial(open_process, command, guard, stop_timeout=pool_settings.stop_timeout),
                    max_line_size=settings.claude.max_line_size,
                    new_session=partial(Session, command.betas, options.own_tools),
                ) as pool,
            ):
                nursery.start_soon(_announce_when_warm, pool)  # noqa: ASYNC111 - only waits
                config = WebConfig(
                    settings.server,
                    settings.auth,
                    settings.logging,
                    _rules(settings),
                    settings.openai,
                    settings.pool_settings,
                    is_offline=standin is not None,
                )
                counting = settings.count_tokens
                api = ApiClient(client, counting.api_key, counting.timeout)
                web = create_web(pool, client, watcher, config, api if counting.api_key else None)
                yield Server(web, pool, client, standin)
            nursery.cancel_scope.cancel(reason="the server is closed")


def check(settings: Settings) -> None:
    """What a setting's own type and bounds do not say. Raises `SettingsError`."""
    _check_tokens(settings.auth)
    _check_sites(settings.server)
    _upstreams(settings)
    _options(settings.claude)
    _own_cwd(settings.claude.cwd)


def _check_tokens(auth: AuthSettings) -> None:
    problems = []
    for name, stored in {"": auth.token, **auth.tokens}.items():
        try:
            if name or stored:
                check_stored(stored)
        except ValueError as error:
            problems.append(f"auth.tokens: {name!r}: {error}" if name else f"auth.token: {error}")
    if "" in auth.tokens:
        problems.append("auth.tokens: a token must have a name")
    if auth.token and DEFAULT in auth.tokens:
        problems.append(f"auth.tokens: {DEFAULT!r} is the name of `token`, or AUTH_TOKEN")
    everyone = [*auth.tokens.values(), *([auth.token] if auth.token else [])]
    if len(set(map(as_hashed, everyone))) < len(everyone):
        problems.append("auth.tokens: two of them are the same")
    if problems:
        raise SettingsError(problems)


def _check_sites(server: ServerSettings) -> None:
    problems = [
        f"server.allowed_origins: {allowed_origin!r} must be as a browser says it, such as https://app.example"
        for allowed_origin in server.allowed_origins
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:-]+", allowed_origin)
    ]
    problems += [
        f"server.allowed_hosts: {allowed_host!r} must be a name alone, such as my.example"
        for allowed_host in server.allowed_hosts
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]", allowed_host)
    ]
    if problems:
        raise SettingsError(problems)


def _upstreams(settings: Settings) -> dict[str, Upstream]:
    """Where requests may go, and where tokens are counted if there is a key for it."""
    upstreams, problems = {}, []
    named = settings.http_pool.upstreams.items()
    wanted = [(f"http_pool.upstreams: {name!r}", name, url) for name, url in named]
    if settings.count_tokens.api_key:
        wanted.append(("count_tokens.base_url", COUNT_TOKENS, settings.count_tokens.base_url))
    for setting, name, url in wanted:
        try:
            if name != COUNT_TOKENS:
                check_name(name)
            upstreams[name] = read_upstream(name, url)
            check_url(url)
        except ValueError as error:
            problems.append(f"{setting}: {error}")
    if settings.http_pool.proxy:
        try:
            check_proxy(settings.http_pool.proxy)
        except ValueError as error:
            problems.append(f"http_pool.proxy: {error}")
    if problems:
        raise SettingsError(problems)
    return upstreams


def _offline(settings: Settings, standin_url: str) -> Settings:
    """The same, with the stand-in for every upstream that is not on this machine."""
    upstreams = {
        name: url if read_upstream(name, url).is_local else standin_url
        for name, url in settings.http_pool.upstreams.items()
    }
    return evolve(
        settings,
        http_pool=evolve(settings.http_pool, upstreams=upstreams, proxy=""),
        count_tokens=evolve(settings.count_tokens, api_key="offline", base_url=standin_url),
    )


def _options(claude: ClaudeSettings) -> Options:
    """What the operator says of every process."""
    fixed = {*FIXED_ENVIRONMENT, *SET_PER_TURN}
    ours = "is what this server sets itself"
    problems = [f"claude.env: {name} {ours}" for name in claude.env if name in fixed]
    for name in claude.pass_env:
        problem = ours if name in {*fixed, MAX_RETRIES} else pass_env_problem(name)
        if problem is not None:
            problems.append(f'claude.pass_env: "{shorten(name)}" {problem}')
    if problems:
        raise SettingsError(problems)
    same = (field.name for field in attrs.fields(Options))
    return Options(**{name: getattr(claude, name) for name in same})


def _rules(settings: Settings) -> RequestDefaults:
    """What the operator lays down for every request."""
    claude = settings.claude
    return RequestDefaults(
        model=claude.model,
        system=claude.system_prompt,
        max_messages=settings.server.max_messages,
        own_tools=bool(claude.tools or claude.mcp_config),
    )


def _own_cwd(cwd: str) -> str:
    """The working directory that the operator has chosen; empty if none."""
    if not cwd:
        return ""
    directory = os.path.abspath(os.path.expanduser(cwd))
    if not os.path.isdir(directory):
        raise SettingsError([f"claude.cwd: there is no directory {directory!r}"])
    return directory


def _new(private: str, name: str) -> str:
    directory = Path(private, name)
    directory.mkdir()
    return str(directory)


def _announce(settings: PoolSettings) -> None:
    if not settings.enabled:
        logger.info("[STARTUP] Claude connection pooling is disabled")
        return
    logger.info("[STARTUP] Configuring connection pool manager...")
    logger.info(
        "[POOL_MANAGER] Claude instance pool configured (min: %d, max: %d)",
        settings.min_size,
        settings.max_size,
    )


async def _announce_when_warm(pool: Pool) -> None:
    await pool.wait_warm()
    if pool.is_enabled and pool.trouble is None:
        logger.info("[STARTUP] Claude connection pool initialized successfully")


async def _end_with_parent() -> None:
    """End when the process that Hypercorn started this one from is gone.

    Hypercorn's parent stops its workers by an event that they ask for; one that was killed cannot.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        await trio.lowlevel.wait_readable(parent.sentinel)
        raise ParentGone("The parent process is gone.")


class ParentGone(Exception):
    """The worker outlived the process that started it."""
