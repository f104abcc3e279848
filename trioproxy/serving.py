"""`trioproxy serve`: this server with Hypercorn inside it, and a stop that loses nothing.

    a signal          nothing new is taken (503), `/health/ready` says so
    all is answered   or `drain_timeout` is over: what still runs is told, and ends
    then              the connections are closed, the processes stopped, the status is 0
    a second signal   ends at once

The plain `hypercorn` command closes its listeners first, and gives what runs only the seconds of
its own `--graceful-timeout`.
"""

import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Mapping

import trio
from attrs import define, evolve, field
from hypercorn.config import Config
from hypercorn.run import run as run_workers
from hypercorn.trio import serve as hypercorn_serve

from trioproxy import logs, startup_error
from trioproxy.app import open_server
from trioproxy.asgi_server import connection
from trioproxy.errors import TrioproxyError
from trioproxy.settings import Settings, SettingsError
from trioproxy.web.gate.middleware import ASGIApp, Receive, Scope, Send
from trioproxy.web.gate.quota import Quota

logger = logging.getLogger("trioproxy.app")

_ERROR_GRACE = 1.0  # seconds, for errors to be told when the drain is over
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(  # noqa: PLR0913 - what the command line says
    settings: Settings,
    environ: Mapping[str, str],
    *,
    host: str,
    port: int,
    workers: int = 1,
    is_exposed: bool = False,
) -> int:
    """Serve until a signal; the exit status. Raises `SettingsError` before anything is started."""
    check_address(host, settings, is_exposed=is_exposed)
    check_free(host, port)
    if is_exposed:
        settings = evolve(settings, server=evolve(settings.server, expose=True))
        os.environ["SERVER__EXPOSE"] = "true"  # for workers, which read their own settings
    logs.configure(settings.logging.level, settings.logging.format)
    config = hypercorn_config(settings, host, port)
    if workers > 1:
        sizes = settings.pool_settings
        logger.info(
            "[STARTUP] %d workers, each with a pool of its own: %d to %d processes in all",
            workers,
            workers * sizes.min_size,
            workers * sizes.max_size,
        )
        config.application_path = "trioproxy.app:app"
        config.worker_class = "trio"
        config.workers = workers
        config.graceful_timeout = settings.pool_settings.drain_timeout
        return run_workers(config)
    status = 0
    try:
        trio.run(_serve, settings, environ, config)
    except* (SettingsError, TrioproxyError, OSError) as group:
        startup_error.report(_reasons(group))
        status = startup_error.STATUS
    return status


def check_address(host: str, settings: Settings, *, is_exposed: bool) -> None:
    """Raises `SettingsError` where everybody on a network could spend the operator's account."""
    is_guarded = bool(settings.auth.token or settings.auth.tokens)
    if not (is_guarded or is_exposed or settings.server.expose or is_loopback(host)):
        reason = (
            f"--host {host}: whoever reaches it could spend your account. Set a token "
            "(`trioproxy token` makes one) in `[auth]` or AUTH_TOKEN; or say --expose too, "
            "if nobody else can reach it."
        )
        raise SettingsError([reason])


def check_free(host: str, port: int) -> None:
    """Raises `SettingsError` where nothing can listen: before the processes are started."""
    try:
        if "/" in host or not host:
            raise OSError("that is no address of a machine")
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, kind, number, _, address in found:
            with socket.socket(family, kind, number) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError([f"cannot listen on {host!r}, port {port}: {reason}"]) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def hypercorn_config(settings: Settings, host: str, port: int) -> Config:
    """Hypercorn's own settings, from ours."""
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host.strip("[]") else f"{host}:{port}"]
    config.graceful_timeout = _ERROR_GRACE
    config.keep_alive_timeout = settings.server.keep_alive_timeout
    config.h11_max_incomplete_size = settings.server.max_header_size
    config.include_server_header = False
    return config


async def _serve(settings: Settings, environ: Mapping[str, str], config: Config) -> None:
    async with open_server(settings, environ) as server, trio.open_nursery() as nursery:
        stop = Stop(server.web.gate.quota, settings.pool_settings.drain_timeout)
        await nursery.start(stop.hear)
        app = _with_lifespan(server.web)
        await hypercorn_serve(app, config, shutdown_trigger=stop.wait_drained)  # type: ignore[arg-type]
        logger.info("[SHUTDOWN] Shutting down Claude connection pool...")
        nursery.cancel_scope.cancel(reason="the server has stopped")
    logger.info("[SHUTDOWN] Claude connection pool shut down successfully")


@define(eq=False)
class Stop:
    """How the server comes to its end."""

    _quota: Quota
    _drain_timeout: float
    _asked: trio.Event = field(factory=trio.Event)

    async def hear(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Begin the end at the first signal, and end at the second."""
        with trio.open_signal_receiver(*_SIGNALS) as signals:
            task_status.started()
            async for number in signals:
                if self._asked.is_set():
                    logger.warning("[SHUTDOWN] Ending at once")
                    os._exit(128 + number)  # its guard ends the processes
                self.begin()

    def begin(self) -> None:
        """Begin the end."""
        self._asked.set()

    async def wait_drained(self) -> None:
        """Wait for a signal, and then until nothing runs, or for `drain_timeout`."""
        await self._asked.wait()
        quota = self._quota
        quota.close()
        logger.info("[SHUTDOWN] Taking nothing new; %d requests are running", quota.running)
        with trio.move_on_after(self._drain_timeout):
            await quota.wait_idle()
        if quota.running:
            logger.warning("[SHUTDOWN] %d requests did not end in time", quota.running)


def _with_lifespan(web: ASGIApp) -> ASGIApp:
    """`web` for Hypercorn, which wants a lifespan: the real one is the block around it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await web(scope, receive, send)
        elif scope["type"] == "lifespan":
            scope["state"][connection.STATE] = web
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    return app


def _reasons(group: BaseExceptionGroup[BaseException]) -> list[str]:
    reasons: list[str] = []
    for exception in group.exceptions:
        if isinstance(exception, BaseExceptionGroup):
            reasons += _reasons(exception)
        elif isinstance(exception, SettingsError):
            reasons += exception.problems
        else:
            reasons.append(str(exception))
    return reasons
