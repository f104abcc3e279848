"""`hypercorn trioproxy.app:app --worker-class trio`: the ASGI callable.

The lifespan scope is the root of all tasks: what `open_server` opens is open for as long as it
lives. The web app travels to the `http` scopes in the lifespan's state, so this module holds no
state, and importing it starts nothing, reads no file and changes nothing in Hypercorn.
"""

import gc
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from trioproxy import logs, startup_error
from trioproxy.asgi_server.asgi import ASGIApp, Receive, Scope, Send, reject_websocket
from trioproxy.asgi_server.workers import ParentGone, client_connections, end_worker
from trioproxy.errors import TrioproxyError
from trioproxy.server import open_server
from trioproxy.settings import SettingsError, load_settings

logger = logging.getLogger("trioproxy.app")

_WEB = "trioproxy.web"  # the web app, in the lifespan's state


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope."""
    if scope["type"] == "lifespan":
        await _serve_lifespan(scope, receive, send)
    elif scope["type"] == "http":
        web: ASGIApp = scope["state"][_WEB]
        await web(scope, receive, send)
    else:
        await reject_websocket(receive, send)


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
            scope["state"][_WEB] = server.web
            # Before the startup is complete: the worker then makes its listeners.
            stack.enter_context(client_connections(settings.server.max_connections))
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
    """Keep what is loaded out of the garbage collector, and let it run less often.

    It takes a twelfth of a forwarded request's time; its cycles are few and small.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _refuse_to_start(error: SettingsError | TrioproxyError, send: Send) -> None:
    problems = startup_error.reasons(error)
    startup_error.report(problems)
    end_worker(startup_error.STATUS)  # nothing is running yet
    await send({"type": "lifespan.startup.failed", "message": "\n".join(problems)})
