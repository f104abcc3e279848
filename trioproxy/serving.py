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

from trioproxy import logs, startup_error
from trioproxy.asgi_server.serve import Config, create_config
from trioproxy.asgi_server.serve import serve as serve_http
from trioproxy.asgi_server.workers import run_workers
from trioproxy.errors import TrioproxyError
from trioproxy.server import open_server
from trioproxy.settings import Settings, SettingsError
from trioproxy.web.gate.drain_gate import DrainGate

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
    config = create_config(
        host,
        port,
        keep_alive_timeout=settings.server.keep_alive_timeout,
        max_header_size=settings.server.max_header_size,
        grace=_ERROR_GRACE if workers == 1 else settings.pool_settings.drain_timeout,
    )
    if workers > 1:
        sizes = settings.pool_settings
        logger.info(
            "[STARTUP] %d workers, each with its own pool: %d to %d processes in total",
            workers,
            workers * sizes.min_size,
            workers * sizes.max_size,
        )
        return run_workers(config, "trioproxy.app:app", workers)
    status = 0
    try:
        trio.run(_serve, settings, environ, config)
    except* (SettingsError, TrioproxyError, OSError) as group:
        startup_error.report(startup_error.reasons(group))
        status = startup_error.STATUS
    return status


def check_address(host: str, settings: Settings, *, is_exposed: bool) -> None:
    """Raises `SettingsError` where everybody on a network could spend the operator's account."""
    is_guarded = bool(settings.auth.token or settings.auth.tokens)
    if not (is_guarded or is_exposed or settings.server.expose or is_loopback(host)):
        reason = (
            f"--host {host}: whoever reaches it could spend your account. Set a token "
            "(`trioproxy token` makes one) in `[auth]` or AUTH_TOKEN, or add --expose "
            "if nobody else can reach it."
        )
        raise SettingsError([reason])


def check_free(host: str, port: int) -> None:
    """Raises `SettingsError` where nothing can listen: before the processes are started."""
    try:
        if "/" in host or not host:
            raise OSError("not a host address")
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


async def _serve(settings: Settings, environ: Mapping[str, str], config: Config) -> None:
    async with open_server(settings, environ) as server, trio.open_nursery() as nursery:
        stop = Stop(server.web.gate.drain, settings.pool_settings.drain_timeout)
        await nursery.start(stop.hear)
        limit = settings.server.max_connections
        await serve_http(server.web, config, max_connections=limit, wait_stop=stop.wait_drained)
        logger.info("[SHUTDOWN] Shutting down Claude connection pool...")
        nursery.cancel_scope.cancel(reason="the server has stopped")
    logger.info("[SHUTDOWN] Claude connection pool shut down successfully")


@define(eq=False)
class Stop:
    """How the server comes to its end."""

    _gate: DrainGate
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
        gate = self._gate
        gate.close()
        logger.info("[SHUTDOWN] Taking nothing new; %d requests are running", gate.running.value)
        with trio.move_on_after(self._drain_timeout):
            await gate.wait_idle()
        if gate.running.value:
            logger.warning("[SHUTDOWN] %d requests did not end in time", gate.running.value)
