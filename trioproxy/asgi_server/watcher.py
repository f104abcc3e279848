"""The sockets under ASGI calls, for what ASGI cannot say.

Hypercorn sends under a shield that has no deadline: a client that does not read holds its call,
its worker and the server's stop for as long as it likes. And it stops reading while a request
is answered and more bytes follow, so that a client's leaving goes unseen. Both end when the
socket is closed from beside, or its hang-up is seen from beside.

ASGI hands out no socket, but the `send` that Hypercorn gives us is a method of the objects that
hold it (0.17 and 0.18: `HTTPStream` > protocol > `TCPServer` > stream). Where that is not so,
there is no transport, and only these protections are missing.

One `Watcher` serves all calls: a task and an epoll of its own for each call would be a sixth of
what a forwarded request costs.
"""

import select
import struct
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from typing import Any

import trio
from attrs import define, field, frozen

_GRACE = 2.5  # seconds for what is still to be said when the server stops


@frozen
class Transport:
    """A client's connection, and the objects of Hypercorn's that know when it stops."""

    _socket: trio.socket.SocketType
    _server: Any
    _context: Any
    _config: Any
    is_http1: bool

    @property
    def number(self) -> int:
        """The socket's descriptor; negative when it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection now: what is being sent on it fails."""
        self._socket.close()

    def reset(self) -> None:
        """End it so that the client knows that something was to come."""
        if self.number >= 0:
            no_delay = struct.pack("ii", 1, 0)
            self._socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, no_delay)
            self._socket.close()

    @contextmanager
    def holding(self) -> Generator[None]:
        """What is written meanwhile goes with what is written next: see `connections.py`."""
        self._server.holding = True
        try:
            yield
        finally:
            self._server.holding = False

    async def wait_stopped(self) -> None:
        """Wait until the server has stopped, and given its calls the time that it gives."""
        await self._context.terminated.wait()
        await trio.sleep(self._config.graceful_timeout)


def find_transport(send: Callable[..., Any]) -> Transport | None:
    """The connection that an ASGI `send` of Hypercorn's writes to; else None."""
    http_stream = getattr(send, "__self__", None)
    protocol = getattr(getattr(http_stream, "send", None), "__self__", None)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    stream = getattr(server, "stream", None)
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if http_stream is None or not isinstance(stream, trio.SocketStream):
        return None
    is_http1 = type(protocol).__name__ == "H11Protocol"
    return Transport(stream.socket, server, http_stream.context, http_stream.config, is_http1)


@define(eq=False)
class Watch:
    """Watches over one call: `gone` is cancelled when its client is."""

    _watcher: "Watcher"
    transport: Transport | None  # None where several calls share one, as in HTTP/2
    _connection: Transport | None
    _version: str
    _gone: trio.CancelScope

    def holding(self) -> AbstractContextManager[None]:
        """Hold back what is written meanwhile, for it to go with what is written next."""
        return nullcontext() if self.transport is None else self.transport.holding()

    def break_off(self) -> None:
        """End the connection where the end of the call alone would look like an answer's end.

        In HTTP/1.0 that is an end as any other; in HTTP/2 it says nothing at all, and the others
        on that connection must ask again.
        """
        if self._version != "1.1" and self._connection is not None:
            self._connection.reset()

    async def sending(self, send: Callable[[Any], Any], message: Any) -> None:  # noqa: ANN401 - ASGI
        """Send, for `send_timeout` seconds at most; then the connection is closed.

        It is not cut short by the end of its call: Hypercorn would have noted half of it, and
        answer once more. Where closing does not end it, it is given up a moment later.
        """
        self._watcher.begin_sending(self)
        try:
            with trio.move_on_after(self._watcher.send_timeout + _GRACE, shield=True):
                await send(message)
        except trio.BusyResourceError:  # it is just being closed, in Hypercorn's own way
            self.give_up(is_sending=True)
        finally:
            self._watcher.end_sending(self)

    def give_up(self, *, is_sending: bool) -> None:
        """The client has left, or does not read."""
        if is_sending and self.transport is not None:
            self.transport.close()
        self._gone.cancel(reason="the client left, or does not read")


@define(eq=False)
class Watcher:
    """Watches over the connections of all calls. `open_watcher` makes it."""

    send_timeout: float
    _hangups: "select.epoll | None"  # None where the system has none: hang-ups go unseen then
    _by_number: dict[int, Watch] = field(factory=dict)
    _sending: dict[Watch, float] = field(factory=dict)  # until when; the earliest first
    _first: Transport | None = None
    _has_first: trio.Event = field(factory=trio.Event)

    @contextmanager
    def watching(
        self, send: Callable[..., Any], http_version: str, gone: trio.CancelScope
    ) -> Generator[Watch]:
        """A watch over the connection of `send`, for as long as the block."""
        found = find_transport(send)
        transport = found if found is not None and found.is_http1 else None
        watch = Watch(self, transport, found, http_version, gone)
        number = -1 if transport is None else self._register(watch, transport)
        try:
            yield watch
        finally:
            if number >= 0:
                self._unregister(watch, number)

    def _register(self, watch: Watch, transport: Transport) -> int:
        if self._first is None:
            self._first = transport
            self._has_first.set()
        number = transport.number
        if number < 0 or self._hangups is None:
            return -1
        self._by_number[number] = watch
        # Readable data is no event of interest, and Hypercorn's own waiting is not disturbed.
        self._hangups.register(number, select.EPOLLRDHUP | select.EPOLLONESHOT)
        return number

    def _unregister(self, watch: Watch, number: int) -> None:
        # A closed socket is not registered any more, and its number may be another's by now.
        if self._hangups is not None and self._by_number.get(number) is watch:
            del self._by_number[number]
            with suppress(OSError):
                self._hangups.unregister(number)

    def begin_sending(self, watch: Watch) -> None:
        """A call sends something."""
        self._sending.pop(watch, None)  # for it to come last
        self._sending[watch] = trio.current_time() + self.send_timeout

    def end_sending(self, watch: Watch) -> None:
        """It was sent, or not."""
        self._sending.pop(watch, None)

    async def hear(self) -> None:
        """Tell each call whose client hangs up."""
        assert self._hangups is not None
        while True:
            await trio.lowlevel.wait_readable(self._hangups.fileno())
            for number, _ in self._hangups.poll(0):
                watch = self._by_number.get(number)
                if watch is not None:
                    watch.give_up(is_sending=watch in self._sending)

    async def time(self) -> None:
        """End each connection on which a send makes no progress."""
        while True:
            # What begins while this sleeps ends later than the longest sleep.
            now = trio.current_time()
            watch, deadline = next(iter(self._sending.items()), (None, now + self.send_timeout))
            if watch is None or deadline > now:
                await trio.sleep_until(deadline)
            else:
                self.end_sending(watch)
                watch.give_up(is_sending=True)

    async def see_to_the_end(self) -> None:
        """When the server has stopped, break off what is still being sent.

        A call that is cancelled does not notice before its send is done.
        """
        await self._has_first.wait()
        assert self._first is not None
        await self._first.wait_stopped()
        await trio.sleep(_GRACE)
        self.break_off()

    def break_off(self) -> None:
        """End each connection that something is being sent on."""
        for watch in tuple(self._sending):
            watch.give_up(is_sending=True)


@asynccontextmanager
async def open_watcher(send_timeout: float) -> AsyncGenerator[Watcher]:
    """A watcher, for as long as the block lasts. `send_timeout`: seconds for each send."""
    async with AsyncExitStack() as stack:
        hangups = stack.enter_context(select.epoll()) if hasattr(select, "epoll") else None
        watcher = Watcher(send_timeout, hangups)
        nursery = await stack.enter_async_context(trio.open_nursery())
        if hangups is not None:
            nursery.start_soon(watcher.hear)  # noqa: ASYNC113 - what it hears is kept for it
        nursery.start_soon(watcher.time)  # noqa: ASYNC113 - it only sleeps
        nursery.start_soon(watcher.see_to_the_end)  # noqa: ASYNC113 - as above
        try:
            yield watcher
        finally:
            watcher.break_off()
            nursery.cancel_scope.cancel(reason="nobody is watched any more")
