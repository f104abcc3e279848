"""A client's connection, as Hypercorn serves it, but for five things.

- Its faults are its own. Hypercorn 0.18 catches `OSError` around a connection; any other
  exception of its protocols ends the nursery of all connections, and there are many: a WebSocket
  upgrade with a body, an HTTP/2 request that is answered before its body has come, invalid
  settings. One request would be enough.
- There is a limit to their number.
- It writes less: a head and a body that is at hand go in one write.
- It can be closed or reset from outside, while something is being sent on it.
- Each request finds it in its ASGI scope: `connection_of(scope)`.
"""

import logging
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import trio
from attrs import define
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trioproxy.asgi_server.asgi import Scope

_KEY = "trioproxy.connection"
_LONGEST_LOGGED = 100  # characters of an exception, which may quote the client

logger = logging.getLogger("trioproxy.web")


@define
class ConnectionLimit:
    """How many connections may be open at once, and how many are."""

    limit: int
    open: int = 0


class ClientConnection(TCPServer):
    """One client's connection. While it is holding, writes wait for the next one."""

    def __init__(  # noqa: PLR0913 - the first five are Hypercorn's
        self,
        app: ASGIWrapper,
        config: Config,
        context: WorkerContext,
        state: ConnectionState,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        *,
        limit: ConnectionLimit,
    ) -> None:
        # Hypercorn hands the state on to the scope of each request on this connection.
        own_state = ConnectionState({**state, _KEY: self})
        super().__init__(app, config, context, own_state, stream)  # type: ignore[arg-type]
        self._limit = limit
        self._is_holding = False
        self._held = b""

    async def run(self) -> None:
        """Serve it to its end; or close it at once, if there are too many."""
        self._limit.open += 1
        try:
            if self._limit.open > self._limit.limit:
                logger.warning(
                    "[API] Rejected a connection: max_connections (%d) reached", self._limit.limit
                )
                await self._close()
            else:
                await self._serve()
        finally:
            self._limit.open -= 1
            self.state.pop(_KEY)  # else it would wait for the garbage collector

    async def _serve(self) -> None:
        try:
            await super().run()
        except BaseExceptionGroup as group:
            faults, rest = group.split(Exception)
            if faults is not None:
                _log(faults)
            if rest is not None:
                raise rest from None
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is of this connection
            _log(fault)

    async def _read_data(self) -> None:
        await super()._read_data()
        # Else one that has hung up would be waited for as long as one that is silent.
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        """Write, as Hypercorn does, without what costs and brings nothing.

        That is waiting for a lock that is free, writing nothing, and, while it is holding, writing
        what another write is about to follow.
        """
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        data, self._held = self._held + event.data, b""
        if self.send_lock.locked():
            await super().protocol_send(RawData(data))
        elif self._is_holding:
            self._held = data
        elif data:
            self.send_lock.acquire_nowait()
            try:
                with trio.CancelScope(shield=True):
                    await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self.protocol.handle(Closed())
            finally:
                self.send_lock.release()

    async def _close(self) -> None:
        # Hypercorn waits for a checkpoint inside `send_eof`. A task that sends meanwhile, such as
        # the reader that rejects invalid HTTP while a request ends, would find the stream busy.
        stream: object = self.stream
        if isinstance(stream, trio.SocketStream):
            with suppress(OSError):
                stream.socket.shutdown(trio.socket.SHUT_WR)
        await self.stream.aclose()

    @property
    def _socket(self) -> trio.socket.SocketType:
        stream: Any = self.stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        socket: trio.socket.SocketType = stream.socket
        return socket

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor; negative when it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection now: what is being sent on it fails."""
        self._socket.close()

    def reset(self) -> None:
        """End it so that the client knows that more was to come."""
        if self.descriptor >= 0:
            no_delay = struct.pack("ii", 1, 0)
            self._socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, no_delay)
            self._socket.close()

    @contextmanager
    def holding(self) -> Generator[None]:
        """Hold back what is written meanwhile, to go with what is written next."""
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = False

    async def wait_stopped(self) -> None:
        """Wait until the server has stopped, and its grace for running requests is over."""
        await self.context.terminated.wait()
        await trio.sleep(self.config.graceful_timeout)


def connection_of(scope: Scope) -> ClientConnection | None:
    """The connection that a request came over; None under another server, or in a test."""
    connection = scope.get("state", {}).get(_KEY)
    return connection if isinstance(connection, ClientConnection) else None


def _log(fault: BaseException) -> None:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    shown = repr(fault)[:_LONGEST_LOGGED]
    logger.warning("[API] Closed a connection after a protocol error: %s", shown)
