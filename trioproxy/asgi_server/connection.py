"""Hypercorn's connections, each of which may fail without ending the server, and writes less.

Hypercorn 0.18 catches `OSError` around a connection; whatever else its protocols raise ends the
nursery of them all. There is much that they raise: a WebSocket upgrade with a body, an HTTP/2
request that is answered before its body has come, settings that are none. One request would do.

So each connection is one of these instead. It is put in Hypercorn's place when `trioproxy.app` is
imported: there is no other way under the plain `hypercorn` command.

Writing costs by the write, so a head and a body that is at hand go as one.
"""

import logging
import math
from contextlib import suppress

import hypercorn.trio.run
import trio
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer

from trioproxy.dialects.json_checks import short

STATE = "trioproxy"  # where the web app is in the lifespan's state

_COUNT = "trioproxy_connections"

logger = logging.getLogger("trioproxy.web")


class ClientConnection(TCPServer):
    """One client's connection. What is written while it is `holding` goes with what follows."""

    holding = False
    _held = b""

    async def run(self) -> None:
        """Serve it to its end; or to nothing, if there are too many."""
        # Hypercorn has one context for each server.
        others: int = getattr(self.context, _COUNT, 0)
        setattr(self.context, _COUNT, others + 1)
        try:
            if others >= self._most():
                logger.warning("[API] %d connections are open: one more was closed", others)
                await self._close()
            else:
                await self._serve()
        finally:
            setattr(self.context, _COUNT, getattr(self.context, _COUNT) - 1)

    def _most(self) -> float:
        limit: float = getattr(self.state.get(STATE), "max_connections", math.inf)
        return limit

    async def _serve(self) -> None:
        try:
            await super().run()
        except BaseExceptionGroup as group:
            faults, rest = group.split(Exception)
            if faults is not None:
                _tell(faults)
            if rest is not None:
                raise rest from None
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is of this connection
            _tell(fault)

    async def _read_data(self) -> None:
        await super()._read_data()
        # Else one that has hung up would be waited for as long as one that is silent.
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        """Write, as Hypercorn does, but for what costs and brings nothing.

        That is waiting for a lock that is free, writing nothing, and, while it is `holding`,
        writing what another write is about to follow.
        """
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        data, self._held = self._held + event.data, b""
        if self.send_lock.locked():
            await super().protocol_send(RawData(data))
        elif self.holding:
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
        # Hypercorn waits for a checkpoint inside `send_eof`. Whoever sends meanwhile, such as the
        # reader that sent an invalid HTTP response while a call ends, would find the stream busy.
        stream: object = self.stream
        if isinstance(stream, trio.SocketStream):
            with suppress(OSError):
                stream.socket.shutdown(trio.socket.SHUT_WR)
        await self.stream.aclose()


def _tell(fault: BaseException) -> None:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    logger.warning("[API] A connection was closed for what came over it: %s", short(repr(fault)))


def install() -> None:
    """Let Hypercorn serve every connection so."""
    vars(hypercorn.trio.run)["TCPServer"] = ClientConnection
