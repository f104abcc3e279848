"""Callers that mean harm: refused, or neutral."""

import struct
from contextlib import suppress

import httpx
import pytest
import trio
from attrs import frozen

from tests.forward.servers import OK, Peer, forwarding, upstream, value_of
from tests.sizing import Sized
from tests.standin.raw import connect, read_all, read_until
from trioproxy.settings import HttpPoolSettings

pytestmark = pytest.mark.real


@frozen
class Attack:
    name: str
    request: bytes
    statuses: tuple[int, ...]


def post(*lines: bytes, path: bytes = b"/proxy/up/", body: bytes = b"") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", b"Host: localhost", *lines]
    return b"\r\n".join([*head, b"", b""]) + body


SMUGGLED = b"0\r\n\r\nGET /proxy/up/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

CHUNKED = b"Transfer-Encoding: chunked"
EMPTY = b"Content-Length: 0"


def get(target: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


REFUSED = [
    Attack("a length and chunks", post(b"Content-Length: 6", CHUNKED, body=SMUGGLED), (400,)),
    Attack("chunks and a length", post(CHUNKED, b"Content-Length: 4", body=SMUGGLED), (400,)),
    Attack("two lengths", post(b"Content-Length: 1", b"Content-Length: 40", body=b"x"), (400,)),
    Attack("a list of lengths", post(b"Content-Length: 1, 40", body=b"x"), (400,)),
    Attack("a length with a sign", post(b"Content-Length: +1", body=b"x"), (400,)),
    Attack("an unknown coding", post(b"Transfer-Encoding: xchunked", body=SMUGGLED), (400, 501)),
    Attack("two codings", post(b"Transfer-Encoding: gzip, chunked", body=SMUGGLED), (400, 501)),
    Attack("a coding behind a tab", post(CHUNKED + b"\t, identity", body=SMUGGLED), (400, 501)),
    Attack("a blank before the colon", post(b"Transfer-Encoding : chunked"), (400,)),
    Attack("a line that is folded",
           post(b"Transfer-Encoding:", b" chunked", b"Content-Length: 1", body=b"x"), (400,)),
    Attack("chunks in HTTP/1.0", post(CHUNKED, body=SMUGGLED).replace(b"1.1", b"1.0", 1), (400,)),
    Attack("a bare CR in a value", post(b"X: a\rY: b", EMPTY), (400,)),
    Attack("a null in a value", post(b"X: a\x00b", EMPTY), (400,)),
    Attack("two hosts", post(b"Host: y", EMPTY), (400,)),
    Attack("no host", b"GET /proxy/up/ HTTP/1.1\r\n\r\n", (400,)),
    Attack("another server's URL", get(b"http://evil.example/proxy/up/"), (400,)),
    Attack("an unknown upstream", get(b"/proxy/evil.example/"), (404,)),
    Attack("a user before a host", get(b"/proxy/up@evil.example/"), (404,)),
    Attack("no upstream", get(b"/proxy/"), (404,)),
    Attack("an upstream of this server's own", get(b"/proxy/count%20tokens/"), (404,)),
    Attack("dots", get(b"/proxy/up/../../etc"), (400,)),
    Attack("encoded dots", get(b"/proxy/up/%2e%2e/x"), (400,)),
    Attack("encoded lines", get(b"/proxy/up/a%0d%0aX:%20y"), (400,)),
    Attack("another host", get(b"/proxy/up//evil.example/"), (400,)),
    Attack("a fragment", get(b"/proxy/up/a#b"), (400,)),
    Attack("a trace", get(b"/proxy/up/", b"TRACE"), (405,)),
    Attack("a tunnel to an upstream", get(b"/proxy/up/", b"CONNECT"), (405,)),
    Attack("a tunnel", get(b"evil.example:443", b"CONNECT"), (400,)),
]  # fmt: skip


@pytest.mark.parametrize("attack", REFUSED, ids=lambda attack: attack.name)
async def test_refused_before_anything_is_sent(attack: Attack) -> None:
    async with (
        upstream() as up,
        forwarding(up.url) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(attack.request)
        await stream.send_eof()
        answer = await read_all(stream)
        if answer:  # one that has hung up may not be told
            assert int(answer[9:12]) in attack.statuses
            assert answer.count(b"HTTP/1.1 ") == 1
        assert up.opened == 0
        assert (await server.http.get("/proxy/up/")).text == "ok"


async def test_what_is_refused_says_why() -> None:
    async with upstream() as up, forwarding(up.url) as server, await connect(server.url) as stream:
        await stream.send_all(post(b"Content-Length: 1", b"Transfer-Encoding: chunked", body=b"0"))
        result = await read_until(stream, b"}")
    assert result.startswith(b"HTTP/1.1 400 ")
    assert b"transfer-encoding: cannot be combined with Content-Length" in result


async def test_a_second_request_behind_the_first_is_this_servers_and_not_the_upstreams() -> None:
    """Pipelined: read here as a request of its own, with this server's rules for it."""
    heads: list[bytes] = []

    async def handler(peer: Peer) -> None:
        while head := await peer.head():
            heads.append(head)
            await peer.body(head)
            await peer.send(OK)

    first = post(b"Content-Length: 1", body=b"x")
    second = b"GET /proxy/evil/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with (
        upstream(handler) as up,
        forwarding(up.url) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(first + second)
        answer = await read_all(stream)
    assert len(heads) == 1
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 404") == 1


async def test_chunks_with_extensions_and_trailers_are_said_anew() -> None:
    wire: list[bytes] = []

    async def handler(peer: Peer) -> None:
        wire.append(await peer.head())
        wire.append(await peer.chunked())
        await peer.send(OK)

    body = (
        b'5;a="\r\nb\r\n"'.replace(b"\r\n", b"") + b"\r\nhello\r\n0\r\nHost: evil\r\nX: y\r\n\r\n"
    )
    async with (
        upstream(handler) as up,
        forwarding(up.url) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(post(b"Transfer-Encoding: chunked", b"Trailer: Host", body=body))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    assert wire[1] == b"5\r\nhello\r\n0\r\n\r\n"
    assert value_of(wire[0], "trailer") == ""


async def test_an_upstream_cannot_split_the_answer() -> None:
    evil = b"HTTP/1.1 200 OK\r\nx: a\x0bb\r\ncontent-length: 2\r\n\r\nok"
    async with upstream() as up, forwarding(up.url) as server:

        async def handler(peer: Peer) -> None:
            await peer.head()
            await peer.send(evil)

        up.handler = handler
        answer = await server.http.get("/proxy/up/")
    assert answer.status_code in {200, 502}
    assert set(answer.headers) <= {
        "x", "content-length", "content-type", "date", "server", "request-id", "x-request-id",
    }  # fmt: skip


async def test_an_upstream_that_sends_more_than_it_said() -> None:
    """What is behind an answer is no answer to the next request."""

    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await peer.wait_left()

    async with upstream(handler) as up, forwarding(up.url) as server:
        for _ in range(3):
            assert (await server.http.get("/proxy/up/")).text == "ok"
        assert up.opened == 3


BROKEN = b"host: localhost\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n"


@pytest.mark.parametrize("path", ["/proxy/up/", "/proxy/no/", "/no", "/health", "/v1/messages"])
async def test_a_request_that_is_no_http_ends_its_own_connection_only(
    path: str, sized: Sized
) -> None:
    """Its reader answers it while its call does: what that did once ended the whole server."""
    async with upstream() as up, forwarding(up.url) as server:
        for i in range(sized(10, 60)):
            async with await connect(server.url) as stream:
                await stream.send_all(f"POST {path} HTTP/1.1\r\n".encode() + BROKEN)
                if i % 2:
                    await stream.receive_some()
        assert (await server.http.get("/proxy/up/")).text == "ok"
        await server.settled()


H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SOCKET = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head(*fields: tuple[bytes, bytes], ends: bool = True, stream: int = 1) -> bytes:
    """A HEADERS frame whose fields are literals."""
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    return frame(1, 5 if ends else 4, stream, block)


def h2_get(path: bytes, method: bytes = b"GET", *, ends: bool = True) -> bytes:
    fields = (b":method", method), (b":path", path), (b":scheme", b"http")
    return head(*fields, (b":authority", b"localhost"), ends=ends)


SETTINGS = H2 + frame(4, 0, 0, b"")
ENDS_OTHERS = {
    "settings that are none": get(b"/")[:-2] + b"Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
    "settings of no sense": get(b"/")[:-2] + b"Upgrade: h2c\r\nHTTP2-Settings: AAX_____\r\n\r\n",
    "a socket with bytes behind its head": SOCKET + b"\r\n\x88\x00",
    "a socket with a body": SOCKET + b"Content-Length: 5\r\n\r\nhello",
    "a socket with chunks": SOCKET + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a path that is no ASCII": SETTINGS + h2_get(b"/\xff"),
    "a method that is no ASCII": SETTINGS + h2_get(b"/", b"\xff"),
    "a tunnel": SETTINGS + head((b":method", b"CONNECT"), (b":authority", b"x:1")),
    "many priorities": SETTINGS
    + b"".join(frame(2, 0, 2 * i + 1, b"\0\0\0\0\0") for i in range(1300)),
    "a body behind its answer": SETTINGS + h2_get(b"/no", b"POST", ends=False),
    "no path": get(b"?"),
    "a host that is none": get(b"http://[x]/"),
    "no password": get(b"/")[:-2] + b"Authorization: Basic \xe9\r\n\r\n",
}


@pytest.mark.parametrize("request_", ENDS_OTHERS.values(), ids=ENDS_OTHERS)
async def test_what_a_connection_fails_of_ends_it_alone(request_: bytes) -> None:
    async with upstream() as up, forwarding(up.url) as server:
        async with await connect(server.url) as stream:
            await stream.send_all(request_)
            if b":path" in request_ and b"POST" in request_:
                await trio.sleep(0.1)  # it is answered
                with suppress(trio.BrokenResourceError):
                    for _ in range(3):
                        await stream.send_all(frame(0, 0, 1, b"x" * 1000))
                    await stream.send_all(frame(3, 0, 1, b"\0\0\0\0"))
            with trio.move_on_after(0.2):
                await read_all(stream)
        for _ in range(3):
            assert (await server.http.get("/proxy/up/")).text == "ok"


async def test_a_connection_is_kept_over_an_error() -> None:
    async with (
        upstream() as up,
        forwarding(up.url) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        for path in ("/proxy/no/", "/proxy/up/..%2f", "/proxy/up/"):
            await http.get(path)
        stats = http._transport._pool.connections  # type: ignore[attr-defined]
        assert stats[0].info().endswith("Request Count: 3")


def test_a_secret_in_the_upstreams_proxy_is_not_shown() -> None:
    assert "hunter2" not in repr(HttpPoolSettings(proxy="http://me:hunter2@127.0.0.1:1"))
