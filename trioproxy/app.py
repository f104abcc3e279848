"""`hypercorn trioproxy.app:app --worker-class trio`: the ASGI callable, and the root of all tasks.

    lifespan  ->  open_server: stand-in (offline only) > guard > pool > web app
    http      ->  the web app that the lifespan opened

The lifespan scope is the root nursery: what is open is open for as long as the server lives, and
is closed in the reverse order. The web app travels to the `http` scopes in the lifespan's state,
so this module holds nothing, and importing it starts nothing and reads no file.
"""

import logging
import multiprocessing
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import trio
from attrs import evolve, frozen

from trioproxy import logs, refusal
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import (
    FIXED_ENVIRONMENT,
    SET_PER_TURN,
    Options,
    build_command,
    build_offline_command,
)
from trioproxy.claude.session import Session
from trioproxy.dialects.anthropic import Rules
from trioproxy.errors import TrioproxyError
from trioproxy.forward.client import ApiClient, open_api_client
from trioproxy.pool.guard import open_guard
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import open_process
from trioproxy.settings import (
    ClaudeSettings,
    CountTokensSettings,
    PoolSettings,
    Settings,
    SettingsError,
    load_settings,
)
from trioproxy.standin import StandIn, serve_standin
from trioproxy.web.app import Terms, create_web
from trioproxy.web.presence import ASGIApp, Receive, Scope, Send

logger = logging.getLogger("trioproxy.app")

_STATE = "trioproxy"

_BANNER = (
    "OFFLINE: every answer comes from the stand-in on this machine, none from a model. "
    "Unset `[claude] offline` (CLAUDE__OFFLINE) to use your account."
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope."""
    if scope["type"] == "lifespan":
        await _serve_lifespan(scope, receive, send)
    elif scope["type"] == "http":
        web: ASGIApp = scope["state"][_STATE]
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
        settings = load_settings(os.environ, Path()).settings
        logs.configure(settings.logging.level, settings.logging.format)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(open_server(settings, os.environ))
            scope["state"][_STATE] = server.web
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


async def _refuse_to_start(error: SettingsError | TrioproxyError, send: Send) -> None:
    problems = error.problems if isinstance(error, SettingsError) else (error.message,)
    refusal.report(problems)
    refusal.end_under_hypercorn()  # nothing is running yet
    await send({"type": "lifespan.startup.failed", "message": "\n".join(problems)})


@frozen
class Server:
    """An open server: its web app, its pool, and the stand-in when it is offline."""

    web: ASGIApp
    pool: Pool
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
    _announce(pool_settings)
    with TemporaryDirectory(prefix="trioproxy-") as private:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with_parent)
            standin = StandIn() if settings.claude.offline else None
            cwd, home = own_cwd or _new(private, "work"), _new(private, "home")
            counting = settings.count_tokens
            if standin is None:
                command = build_command(binary, environ, cwd, options)
            else:
                base_url: str = await nursery.start(serve_standin, standin)
                command = build_offline_command(
                    binary, environ, cwd, options, home=home, base_url=base_url
                )
                counting = evolve(counting, api_key="offline", base_url=base_url)
                logger.warning(_BANNER)
            async with (
                open_guard(private) as guard,
                open_pool(
                    pool_settings,
                    partial(open_process, command, guard, stop_timeout=pool_settings.stop_timeout),
                    max_line_size=settings.claude.max_line_size,
                    new_session=partial(Session, command.betas, options.own_tools),
                ) as pool,
                _counter(counting) as api,
            ):
                nursery.start_soon(_announce_when_warm, pool)  # noqa: ASYNC111 - only waits
                terms = Terms(
                    settings.server,
                    _rules(settings),
                    settings.openai.models,
                    headers=((b"x-trioproxy-offline", b"true"),) if standin else (),
                )
                web = create_web(pool, terms, api)
                yield Server(web, pool, standin)
            nursery.cancel_scope.cancel(reason="the server is closed")


def _counter(counting: CountTokensSettings) -> AbstractAsyncContextManager[ApiClient | None]:
    """The client that counts tokens, if there is a key: else no TLS context is built for it."""
    if not counting.api_key:
        return nullcontext()
    return open_api_client(counting.base_url, counting.api_key, counting.timeout)


def _options(claude: ClaudeSettings) -> Options:
    """What the operator says of every process."""
    for name in claude.env:
        if name in FIXED_ENVIRONMENT or name in SET_PER_TURN:
            raise SettingsError([f"claude.env: {name} is what this server sets itself"])
    same = (field.name for field in attrs.fields(Options))
    return Options(**{name: getattr(claude, name) for name in same})


def _rules(settings: Settings) -> Rules:
    """What the operator lays down for every request."""
    claude = settings.claude
    return Rules(
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
