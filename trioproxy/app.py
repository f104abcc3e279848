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
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from attrs import frozen

from trioproxy import refusal
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import Command, build_command, build_offline_command
from trioproxy.errors import TrioproxyError
from trioproxy.pool.guard import open_guard
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import open_process
from trioproxy.settings import Settings, SettingsError, load_settings
from trioproxy.standin import StandIn, serve_standin
from trioproxy.web.app import create_web
from trioproxy.web.presence import ASGIApp, Headers, Receive, Scope, Send

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
    try:
        settings = load_settings(os.environ, Path()).settings
        configure_logging(settings.logging.level)
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

    Raises `CliNotFound` before anything is started. Entering waits for the first process to have
    booted, or to have failed to: the others boot meanwhile.
    """
    binary = find_binary(settings.claude.cli_path, environ, wheel_binary())
    logger.info("[STARTUP] Configuring connection pool manager...")
    pool_settings = settings.pool_settings
    logger.info(
        "[POOL_MANAGER] Claude instance pool configured (min: %d, max: %d)",
        pool_settings.min_size,
        pool_settings.max_size,
    )
    with TemporaryDirectory(prefix="trioproxy-") as private:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with_parent)
            standin = StandIn() if settings.claude.offline else None
            if standin is None:
                command = _command(settings, binary, environ, private)
            else:
                base_url: str = await nursery.start(serve_standin, standin)
                command = build_offline_command(binary, environ, private, base_url=base_url)
                logger.warning(_BANNER)
            async with (
                open_guard() as guard,
                open_pool(
                    pool_settings,
                    partial(open_process, command, guard, stop_timeout=pool_settings.stop_timeout),
                    max_line_size=settings.claude.max_line_size,
                ) as pool,
            ):
                headers: Headers = ((b"x-trioproxy-offline", b"true"),) if standin else ()
                yield Server(create_web(pool, settings.server, headers), pool, standin)
            nursery.cancel_scope.cancel(reason="the server is closed")


def _command(settings: Settings, binary: str, environ: Mapping[str, str], private: str) -> Command:
    cwd = settings.claude.cwd or private
    return build_command(binary, environ, cwd, bare=settings.claude.bare)


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


def configure_logging(level: str) -> None:
    """Log to standard error, unless whoever embeds this has set up something else."""
    package = logging.getLogger("trioproxy")
    package.setLevel(level)
    if not package.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        package.addHandler(handler)
