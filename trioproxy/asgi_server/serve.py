"""`trioproxy serve`: listeners, and a `ClientConnection` for each client.

Hypercorn's own `serve` does the same for its `TCPServer`, and for a lifespan that is not needed
here: what the app needs is open before, and closed after.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trioproxy.asgi_server.asgi import ASGIApp, http_only
from trioproxy.asgi_server.connection import ClientConnection, ConnectionLimit

__all__ = ["Config", "create_config", "serve"]

logger = logging.getLogger("trioproxy.app")


def create_config(
    host: str,
    port: int,
    *,
    keep_alive_timeout: float = 60.0,
    max_header_size: int = 65_536,
    grace: float = 1.0,
) -> Config:
    """Hypercorn's settings. Times in seconds, the size in bytes.

    `port`: 0 picks a free one. `grace`: for running requests when the server stops.
    """
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host.strip("[]") else f"{host}:{port}"]
    config.graceful_timeout = grace
    config.keep_alive_timeout = keep_alive_timeout
    config.h11_max_incomplete_size = max_header_size
    config.include_server_header = False
    return config


async def serve(
    app: ASGIApp,
    config: Config,
    *,
    max_connections: int,
    wait_stop: Callable[[], Awaitable[None]] = trio.sleep_forever,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve HTTP until `wait_stop` returns, then close what is still open after the grace.

    Reports its base URLs, such as `http://127.0.0.1:8000`, once it listens. Raises `OSError` if it
    cannot.
    """
    listeners = _listen(config)
    urls = [_url(listener) for listener in listeners]
    context = WorkerContext(None)
    connection = partial(
        ClientConnection,
        ASGIWrapper(http_only(app)),  # type: ignore[arg-type]  # ASGI's types, spelt otherwise
        config,
        context,
        ConnectionState({}),
        limit=ConnectionLimit(max_connections),
    )
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        listening = partial(
            trio.serve_listeners, connection, listeners, handler_nursery=connections
        )
        await accepting.start(listening)
        for url in urls:
            logger.info("[STARTUP] Running on %s (Ctrl-C to stop)", url)
        task_status.started(urls)
        try:
            await wait_stop()
        finally:
            with trio.move_on_after(1, shield=True):
                await context.terminated.set()
            connections.cancel_scope.deadline = trio.current_time() + config.graceful_timeout
        accepting.cancel_scope.cancel(reason="the server stops")


def _listen(config: Config) -> list[trio.SocketListener]:
    sockets = config.create_sockets().insecure_sockets
    for sock in sockets:
        sock.listen(config.backlog)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in sockets]


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
