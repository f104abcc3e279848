"""What goes through the proxy, both ways, over real sockets."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import trio

from tests.forward.servers import OK, Peer, answers_ok, forwarding, upstream, value_of
from tests.standin.raw import connect, read_all
from trioproxy.settings import HttpPoolSettings

pytestmark = pytest.mark.real

MIB = 1 << 20


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
async def test_a_request_arrives_as_it_was_sent(method: str) -> None:
    got: list[tuple[bytes, bytes]] = []

    async def handler(peer: Peer) -> None:
        head = await peer.head()
        got.append((head, await peer.body(head)))
        await peer.send(OK)

    async with (
        upstream(handler) as up,
        forwarding(up.url + "/base") as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(
            f"{method} /proxy/up/a%20b/%41//c?x=%2F&y;z HTTP/1.1\r\nHost: localhost:81\r\n"
            "X-Api-Key: k\r\nCookie: a=1\r\nAccept-Encoding: br\r\nContent-Length: 4\r\n"
            "Connection: close, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n\x00\r\n\x7f".encode()
        )
        answer = await read_all(stream)
    (head, body), *_ = got
    assert body == b"\x00\r\n\x7f"
    lines = head.decode().split("\r\n")
    assert lines[0] == f"{method} /base/a%20b/%41//c?x=%2F&y;z HTTP/1.1"
    assert lines[1].lower() == f"host: {up.url.removeprefix('http://')}"
    assert value_of(head, "x-api-key") == "k"
    assert value_of(head, "cookie") == "a=1"
    assert value_of(head, "accept-encoding") == "br"
    assert value_of(head, "x-forwarded-for") == "127.0.0.1"
    assert value_of(head, "x-forwarded-host") == "localhost:81"
    assert value_of(head, "x-forwarded-proto") == "http"
    assert value_of(head, "x-request-id").startswith("req_")
    assert not {"te", "x-hop", "connection", "user-agent"} & {
        line.partition(":")[0].lower() for line in lines
    }
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"ok")


ANSWER = (
    b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nSet-Cookie: a=1\r\n"
    b"Set-Cookie: b=2\r\nContent-Encoding: gzip\r\nRequest-Id: req_up\r\nX-Hop: 1\r\n"
    b"Connection: x-hop\r\nKeep-Alive: timeout=5\r\nDate: now\r\nServer: up\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n5\r\n gzip\r\n0\r\nX-Trailer: 1\r\n\r\n"
)


async def test_an_answer_comes_back_as_it_was_sent() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER)

    async with upstream(handler) as up, forwarding(up.url) as server:
        request = server.http.build_request("GET", "/proxy/up/")
        answer = await server.http.send(request, stream=True)
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert (answer.status_code, body) == (302, b"not gzip")
    headers = answer.headers
    assert headers["location"] == "http://elsewhere.example/"
    assert headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert headers["content-encoding"] == "gzip"
    assert headers.get_list("request-id") == ["req_up"]
    assert headers["x-request-id"].startswith("req_")
    assert len(headers.get_list("date")) == 1
    assert "server" not in headers  # a hop's own, and this one does not say it
    assert not {"x-hop", "keep-alive", "x-trailer"} & set(headers)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 99\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_leaves_both_connections_open(
    method: str, answer: bytes
) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.head():
            await peer.send(answer)

    async with upstream(handler) as up, forwarding(up.url) as server:
        for _ in range(3):
            got = await server.http.request(method, "/proxy/up/")
            assert (got.status_code, got.content) == (int(answer[9:12]), b"")
        assert up.opened == 1
    if method == "HEAD":
        assert got.headers["content-length"] == "1234"


async def test_an_answer_that_ends_with_its_connection() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nto the end")

    async with upstream(handler) as up, forwarding(up.url) as server:
        for expected in (1, 2):
            assert (await server.http.get("/proxy/up/")).content == b"to the end"
            assert up.opened == expected


async def test_a_body_in_chunks_stays_one() -> None:
    got: list[bytes] = []

    async def handler(peer: Peer) -> None:
        head = await peer.head()
        got.extend([head, await peer.chunked()])
        await peer.send(OK)

    async def chunks() -> AsyncGenerator[bytes]:
        for chunk in (b"one", b"two"):
            yield chunk
            await trio.sleep(0.02)

    async with upstream(handler) as up, forwarding(up.url) as server:
        answer = await server.http.post("/proxy/up/", content=chunks())
    assert answer.text == "ok"
    assert value_of(got[0], "transfer-encoding") == "chunked"
    assert value_of(got[0], "content-length") == ""
    assert got[1] == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


def rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_long_body_both_ways_is_never_held_whole() -> None:
    size = 100 * MIB
    peak = 0

    async def handler(peer: Peer) -> None:
        nonlocal peak
        await peer.head()
        taken = len(peer._unread)
        while taken < size:
            taken += len(await peer.stream.receive_some())
            peak = max(peak, rss())
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            await peer.send(bytes(MIB))
            peak = max(peak, rss())

    async with upstream(handler) as up, forwarding(up.url) as server:
        await server.http.get("/health")
        before = rss()
        async with await connect(server.url) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(send_zeros, stream, size)
            got = 0
            async for chunk in stream:
                got += len(chunk)
                if got > size:
                    break
    assert got > size
    assert peak - before < 32 * MIB


async def send_zeros(stream: trio.SocketStream, size: int) -> None:
    await stream.send_all(b"PUT /proxy/up/ HTTP/1.1\r\nhost: localhost\r\n")
    await stream.send_all(b"content-length: %d\r\n\r\n" % size)
    for _ in range(size // MIB):
        await stream.send_all(bytes(MIB))


EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


async def test_events_come_one_by_one_and_at_once() -> None:
    sent: list[float] = []

    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(EVENTS)
        for _ in range(100):
            await trio.sleep(0.005)
            sent.append(trio.current_time())
            await peer.send(b'f\r\ndata: {"n": 1}\n\r\n')
        await peer.send(b"0\r\n\r\n")

    got: list[float] = []
    async with (
        upstream(handler) as up,
        forwarding(up.url) as server,
        server.http.stream("GET", "/proxy/up/") as answer,
    ):
        async for chunk in answer.aiter_raw():
            got += [trio.current_time()] * chunk.count(b"data:")
    delays = sorted(there - here for here, there in zip(sent, got, strict=True))
    assert delays[50] < 0.005, delays


SHORT = HttpPoolSettings(read_timeout=0.2, stream_read_timeout=30.0, pool_timeout=0.3)


async def test_an_event_stream_may_be_silent() -> None:
    async def handler(peer: Peer) -> None:
        head = await peer.head()
        if value_of(head, "accept") == "text/event-stream":
            await trio.sleep(0.4)
        await peer.send(EVENTS)
        await trio.sleep(0.4)
        await peer.send(b"8\r\ndata: 1\n\r\n0\r\n\r\n")

    async with upstream(handler) as up, forwarding(up.url, SHORT) as server:
        for accept in ("*/*", "text/event-stream"):
            answer = await server.http.get("/proxy/up/", headers={"accept": accept})
            assert answer.text == "data: 1\n"


async def test_http_2_without_a_length() -> None:
    got: list[bytes] = []

    async def handler(peer: Peer) -> None:
        while head := await peer.head():
            got.append(head)
            if value_of(head, "transfer-encoding"):
                got.append(await peer.chunked())
            await peer.send(OK)

    async def chunks() -> AsyncGenerator[bytes]:  # noqa: ASYNC124 - httpx's kind of a body
        yield b"abc"

    async with (
        upstream(handler) as up,
        forwarding(up.url) as server,
        httpx.AsyncClient(http1=False, http2=True, base_url=server.url) as http,
    ):
        assert (await http.get("/proxy/up/")).text == "ok"
        answer = await http.post("/proxy/up/", content=chunks())
        assert (answer.text, answer.http_version) == ("ok", "HTTP/2")
    assert got[2] == b"3\r\nabc\r\n0\r\n\r\n"
    assert value_of(got[0], "host") == up.url.removeprefix("http://")


async def test_a_client_for_each_request_where_none_is_kept() -> None:
    settings = HttpPoolSettings(enabled=False)
    async with upstream() as up, forwarding(up.url, settings) as server:
        for expected in (1, 2, 3):
            assert (await server.http.post("/proxy/up/", content=b"x")).text == "ok"
            assert up.opened == expected
        await up.wait_open(0)
        stats = (await server.http.get("/http_pool/stats")).json()
    assert stats["pool_enabled"] is False
    assert stats["upstreams"]["up"]["reuse_rate"] == 0


async def test_what_an_operator_sees() -> None:
    async with upstream() as up, forwarding({"up": up.url, "idle": up.url}) as server:
        for _ in range(4):
            await server.http.get("/proxy/up/")
        stats = (await server.http.get("/http_pool/stats")).json()
        health = (await server.http.get("/health")).json()
    assert health["http_pool"] == {"up": "ok", "idle": "ok"}
    first = stats["upstreams"]["up"]
    assert first["url"] == up.url
    assert (first["requests"], first["connections_created"], first["connections_reused"]) == (
        4,
        1,
        3,
    )
    assert (first["reuse_rate"], first["open_connections"], first["idle_connections"]) == (
        0.75,
        1,
        1,
    )
    assert 0 < first["first_byte_seconds"]["p50"] <= first["total_seconds"]["p99"] < 1
    assert stats["upstreams"]["idle"]["reuse_rate"] is None


async def test_idle_connections_are_closed_when_their_time_is_over() -> None:
    settings = HttpPoolSettings(keepalive_expiry=0.1)
    async with upstream() as up, forwarding(up.url, settings) as server:
        await server.http.get("/proxy/up/")
        assert up.open_now == 1
        await up.wait_open(0)
        assert server.stats().open_connections == 0
        assert (await server.http.get("/proxy/up/")).text == "ok"


async def test_a_health_check_closes_what_the_upstream_has_closed() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)

    settings = HttpPoolSettings(health_check_interval=0.05)
    async with upstream(handler) as up, forwarding(up.url, settings) as server:
        await server.http.get("/proxy/up/")
        with trio.fail_after(5):
            while server.stats().open_connections:  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.01)


async def test_twenty_at_once_share_the_connections() -> None:
    async with upstream(answers_ok) as up, forwarding(up.url) as server:

        async def ask() -> None:
            for _ in range(10):
                assert (await server.http.get("/proxy/up/")).text == "ok"

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
        stats = await server.settled()
        assert stats.connections_created == up.opened <= 20
        assert stats.connections_reused == 200 - up.opened
        assert stats.idle_connections == up.open_now
