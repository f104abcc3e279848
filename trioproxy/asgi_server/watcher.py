"""Deadlines for sending, and clients that hang up, over the connections of all requests.

Hypercorn sends under a shield that has no deadline: a client that does not read holds its request,
its worker and the server's stop for as long as it likes. And it stops reading while a request is
answered and more bytes follow, so that a client that leaves goes unseen. Both end here: the
socket is closed, or its hang-up is seen, from another task.

One `Watcher` serves all requests: a task and an epoll for each would be a sixth of what a
forwarded request costs.
"""

import select
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)

import trio
from attrs import define, field

from trioproxy.asgi_server.asgi import Message, Scope, Send
from trioproxy.asgi_server.connection import ClientConnection, connection_of

_GRACE = 2.5  # seconds for the last sends when the server stops
_OWN_CONNECTION = {"1.0", "1.1"}  # in these versions of HTTP, one request at a time has it


@define(eq=False)
class Watch:
    """Watches over one request: `gone` is cancelled when its client hangs up, or does not read.

    `own_connection`: None where several requests share one, as in HTTP/2.
    """

    _watcher: "Watcher"
    own_connection: ClientConnection | None
    _connection: ClientConnection | None
    _version: str
    _gone: trio.CancelScope

    def holding(self) -> AbstractContextManager[None]:
        """Hold back what is written meanwhile, for it to go with what is written next."""
        return nullcontext() if self.own_connection is None else self.own_connection.holding()

    def break_off(self) -> None:
        """End the connection where the end of the call alone would look like an answer's end.

        In HTTP/1.0 that is an end as any other; in HTTP/2 it says nothing at all, and the others
        on that connection must ask again.
        """
        if self._version != "1.1" and self._connection is not None:
            self._connection.reset()

    async def sending(self, send: Send, message: Message) -> None:
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
        if is_sending and self.own_connection is not None:
            self.own_connection.close()
        self._gone.cancel(reason="the client left, or does not read")


@define(eq=False)
class Watcher:
    """Watches over the connections of all calls. `open_watcher` makes it."""

    send_timeout: float
    _hangups: "select.epoll | None"  # None where the system has none: hang-ups go unseen then
    _by_number: dict[int, Watch] = field(factory=dict)
    _sending: dict[Watch, float] = field(factory=dict)  # until when; the earliest first
    _first: ClientConnection | None = None
    _has_first: trio.Event = field(factory=trio.Event)

    @contextmanager
    def watching(self, scope: Scope, gone: trio.CancelScope) -> Generator[Watch]:
        """A watch over the connection of a request, for as long as the block."""
        connection, version = connection_of(scope), scope["http_version"]
        own = connection if version in _OWN_CONNECTION else None
        watch = Watch(self, own, connection, version, gone)
        number = -1 if own is None else self._register(watch, own)
        try:
            yield watch
        finally:
            if number >= 0:
                self._unregister(watch, number)

    def _register(self, watch: Watch, connection: ClientConnection) -> int:
        if self._first is None:
            self._first = connection
            self._has_first.set()
        number = connection.descriptor
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
        nursery.start_soon(watcher.see_to_the_end)  # noqa: ASYNC113 - it only waits
        try:
            yield watcher
        finally:
            watcher.break_off()
            nursery.cancel_scope.cancel(reason="nobody is watched any more")
