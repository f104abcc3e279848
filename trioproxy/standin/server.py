"""A port on the loopback for the stand-in to answer on.

Hypercorn speaks the HTTP, but its own `serve` does not listen here: it shields every write, so
that a client that does not read what it asked for keeps a cancelled server alive. Here each
connection is closed when its task is cancelled, whatever is still being written to it.
"""

import logging
from functools import partial

import trio
from hypercorn import Config
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trioproxy.standin.app import StandIn

logger = logging.getLogger("trioproxy.standin")
HOST = "127.0.0.1"


async def serve_standin(
    standin: StandIn,
    *,
    port: int = 0,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on 127.0.0.1 until cancelled, open streams or not; port 0 is any that is free.

    Reports its base URL, such as `http://127.0.0.1:8001`, once it listens. Raises `OSError` if it
    cannot.
    """
    listeners = await trio.open_tcp_listeners(port, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    connection = partial(_serve_connection, standin, _config(), WorkerContext(None))
    task_status.started(f"http://{HOST}:{port}")
    await trio.serve_listeners(connection, listeners)


async def _serve_connection(
    standin: StandIn, config: Config, context: WorkerContext, stream: trio.SocketStream
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_close_when_cancelled, stream)
        app, state = ASGIWrapper(standin), ConnectionState({})
        await TCPServer(app, config, context, state, stream)  # type: ignore[arg-type]  # not TLS
        nursery.cancel_scope.cancel()


async def _close_when_cancelled(stream: trio.SocketStream) -> None:
    try:
        await trio.sleep_forever()
    finally:
        stream.socket.close()


def _config() -> Config:
    config = Config()
    config.errorlog = logger
    # A client with a pool of connections should find them open: no end to an idle one,
    # and no limit to what one carries.
    config.keep_alive_timeout = 3600
    config.keep_alive_max_requests = 1_000_000_000
    return config
