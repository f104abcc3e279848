"""The socket under an ASGI call, for what ASGI cannot say.

Hypercorn sends under a shield that has no deadline: a client that does not read holds its call,
its worker and the server's stop for as long as it likes. And it stops reading while a request
is answered and more bytes follow, so that a client's leaving goes unseen. Both end when the
socket is closed from beside, or its hang-up is seen from beside.

ASGI hands out no socket, but the `send` that Hypercorn gives us is a method of the objects that
hold it (0.17 and 0.18: `HTTPStream` > protocol > `TCPServer` > stream). Where that is not so,
there is no transport, and only these two protections are missing.
"""

import os
import select
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

_GRACE = 2.5  # for what is still to be said when the server stops


class Transport:
    """A client's connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    def close(self) -> None:
        """End the connection now: what is being sent on it fails."""
        self._stream.socket.close()

    async def wait_hangup(self) -> None:
        """Wait until the client has closed its side, or reset it, whoever reads the socket.

        Where the system has no epoll, this waits for ever.
        """
        if not hasattr(select, "epoll") or self._stream.socket.fileno() < 0:
            await trio.sleep_forever()
        # Another descriptor of the same socket, in an epoll of its own: readable data is no
        # event of interest, and Hypercorn's own waiting is not disturbed.
        descriptor = os.dup(self._stream.socket.fileno())
        try:
            with select.epoll() as hangups:
                hangups.register(descriptor, select.EPOLLRDHUP)
                await trio.lowlevel.wait_readable(hangups.fileno())
        finally:
            os.close(descriptor)


def find_transport(send: Callable[..., Any]) -> Transport | None:
    """The connection that an ASGI `send` of Hypercorn's writes to, over HTTP/1; else None."""
    http_stream = getattr(send, "__self__", None)
    protocol = getattr(getattr(http_stream, "send", None), "__self__", None)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    stream = getattr(server, "stream", None)
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    is_http1 = type(protocol).__name__ == "H11Protocol"
    return Transport(stream) if is_http1 and isinstance(stream, trio.SocketStream) else None


class Watch:
    """Watches over one call's sends, each of which must make progress."""

    def __init__(self, transport: Transport | None, send_timeout: float) -> None:
        self._transport = transport
        self._send_timeout = send_timeout
        self._patience = trio.CancelScope()
        self._is_sending = False
        self._over = trio.Event()

    async def sending(self, send: Callable[[Any], Any], message: Any) -> None:  # noqa: ANN401 - ASGI
        """Send, for `send_timeout` seconds at most; then the connection is closed."""
        self._is_sending = True
        self._patience.deadline = trio.current_time() + self._send_timeout
        try:
            await send(message)
        finally:
            self._is_sending = False
            self._patience.deadline = float("inf")

    async def keep(self, gone: trio.CancelScope) -> None:
        """End `gone` when the client is; end the connection when it holds up a send.

        When the server stops, everything here is cancelled, but a send that is under way is not:
        it gets a moment, and is then broken off.
        """
        assert self._transport is not None
        try:
            with self._patience:
                await self._transport.wait_hangup()
        except trio.Cancelled:
            with trio.move_on_after(_GRACE, shield=True):
                await self._over.wait()
            if not self._over.is_set():
                self._transport.close()
            raise
        if self._is_sending:
            self._transport.close()
        gone.cancel(reason="the client left, or does not read")

    def end(self) -> None:
        """The call is over."""
        self._over.set()


@asynccontextmanager
async def watching(
    send: Callable[..., Any], gone: trio.CancelScope, *, send_timeout: float
) -> AsyncGenerator[Watch]:
    """A watch over the connection of `send`, for as long as the block."""
    transport = find_transport(send)
    watch = Watch(transport, send_timeout)
    if transport is None:
        yield watch
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.keep, gone)
        try:
            yield watch
        finally:
            watch.end()
            nursery.cancel_scope.cancel(reason="the call is over")
