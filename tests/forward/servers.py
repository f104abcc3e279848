"""A server that passes requests on, and upstreams by hand, over real sockets."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import httpx
import trio
from attrs import define, field, frozen

from tests.fakes import FakeCLI
from tests.real.servers import loopback
from trioproxy.asgi_server.serve import serve
from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.forward.client import ForwardClient, open_forward_client
from trioproxy.forward.stats import UpstreamStatistics
from trioproxy.forward.upstream import read_upstream
from trioproxy.pool.pool import open_pool
from trioproxy.settings import HttpPoolSettings, PoolSettings, ServerSettings
from trioproxy.web.app import WebConfig, create_web

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

_NO_PROCESSES = PoolSettings(min_size=0, warmup_on_startup=False)


@define(eq=False)
class Peer:
    """One connection, as an upstream sees it."""

    stream: trio.abc.Stream
    number: int
    _unread: bytes = b""

    async def head(self) -> bytes:
        """The head of the next request; empty if there is none any more."""
        return await self._until(b"\r\n\r\n")

    async def body(self, head: bytes) -> bytes:
        """The body behind a head that says its length."""
        length = int(value_of(head, "content-length") or 0)
        while len(self._unread) < length:
            some = await self.stream.receive_some()
            if not some:
                raise trio.BrokenResourceError("half a body")
            self._unread += some
        body, self._unread = self._unread[:length], self._unread[length:]
        return body

    async def chunked(self) -> bytes:
        """The body in chunks, as it is on the wire."""
        return await self._until(b"0\r\n\r\n")

    async def _until(self, end: bytes) -> bytes:
        while end not in self._unread:
            some = await self.stream.receive_some()
            if not some:
                return b""
            self._unread += some
        read, _, self._unread = self._unread.partition(end)
        return bytes(read + end)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def wait_left(self) -> None:
        """Wait until the other side has closed."""
        while await self.stream.receive_some():
            pass

    def reset(self) -> None:
        """End the connection as a crash would."""
        assert isinstance(self.stream, trio.SocketStream)
        self.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.stream.socket.close()


Handler = Callable[[Peer], Awaitable[None]]


def value_of(head: bytes, name: str) -> str:
    """The first value of a header in a head as it was on the wire; empty if there is none."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name:
            return value.strip()
    return ""


async def answers_ok(peer: Peer) -> None:
    """Every request alike, for as long as the connection is kept."""
    while head := await peer.head():
        await peer.body(head)
        await peer.send(OK)


@define(eq=False)
class Upstream:
    """A server by hand; `handler` may be changed while it runs."""

    handler: Handler
    url: str = ""
    opened: int = 0
    open_now: int = 0
    heads: list[bytes] = field(factory=list)

    async def peer(self, stream: trio.abc.Stream) -> None:
        self.opened += 1
        self.open_now += 1
        try:
            if isinstance(stream, trio.SSLStream):
                await stream.do_handshake()
            await self.handler(Peer(stream, self.opened))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open_now -= 1
            await trio.aclose_forcefully(stream)

    async def wait_open(self, count: int) -> None:
        """Wait until at most so many connections are open."""
        with trio.fail_after(5):
            while self.open_now > count:  # noqa: ASYNC110 - another side's sockets
                await trio.sleep(0.005)


@asynccontextmanager
async def upstream(
    handler: Handler = answers_ok, *, port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncGenerator[Upstream]:
    """An upstream on a port of this machine, for as long as the block lasts."""
    server = Upstream(handler)
    async with trio.open_nursery() as nursery:
        (tcp,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
        listener = tcp if context is None else trio.SSLListener(tcp, context)
        await nursery.start(trio.serve_listeners, server.peer, [listener])
        scheme = "http" if context is None else "https"
        server.url = f"{scheme}://127.0.0.1:{tcp.socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


@frozen
class Forwarding:
    """A server that passes requests on, from outside and from inside."""

    url: str
    http: httpx.AsyncClient
    client: ForwardClient

    def stats(self, name: str = "up") -> UpstreamStatistics:
        return self.client.pools[name].statistics()

    async def settled(self, name: str = "up") -> UpstreamStatistics:
        """Wait until no connection is in use."""
        with trio.fail_after(5):
            while self.stats(name).in_use_connections:  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.005)
        return self.stats(name)


@asynccontextmanager
async def forwarding(
    upstreams: Mapping[str, str] | str,
    settings: HttpPoolSettings | None = None,
    server: ServerSettings | None = None,
) -> AsyncGenerator[Forwarding]:
    """A server on a free port, for as long as the block lasts; one upstream is called `up`."""
    if isinstance(upstreams, str):
        upstreams = {"up": upstreams}
    read = {name: read_upstream(name, url) for name, url in upstreams.items()}
    web_config = WebConfig(server or ServerSettings())
    async with (
        open_forward_client(read, settings or HttpPoolSettings()) as client,
        open_watcher(web_config.server.send_timeout) as watcher,
        open_pool(_NO_PROCESSES, FakeCLI(), max_line_size=1_000_000) as pool,
        trio.open_nursery() as nursery,
    ):
        app = create_web(pool, client, watcher, web_config)
        limit = web_config.server.max_connections
        (url,) = await nursery.start(partial(serve, app, loopback(), max_connections=limit))
        # There is no TLS here, and to load the world's certificates takes longer than a test.
        async with httpx.AsyncClient(
            base_url=url, timeout=10, trust_env=False, verify=False
        ) as http:
            yield Forwarding(url, http, client)
        nursery.cancel_scope.cancel()
