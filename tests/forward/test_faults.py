"""Upstreams that fail in every way, and clients that leave: what is told, and what is left."""

import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trio
import trustme
from attrs import frozen

from tests.forward.servers import (
    OK,
    Forwarding,
    Handler,
    Peer,
    Upstream,
    answers_ok,
    forwarding,
    upstream,
)
from tests.ports import reserved_port
from tests.sizing import Sized
from tests.standin.raw import connect, read_all
from trioproxy.errors import InvalidRequest
from trioproxy.forward.body import RequestBody
from trioproxy.forward.connection import Request, Timeouts, open_connection
from trioproxy.forward.upstream import read_upstream
from trioproxy.settings import HttpPoolSettings, ServerSettings

pytestmark = pytest.mark.real

QUICK = HttpPoolSettings(read_timeout=0.2, write_timeout=0.2, connect_timeout=0.5)
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
HALF_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"


async def closes(peer: Peer) -> None:
    await peer.head()


async def resets(peer: Peer) -> None:
    await peer.head()
    peer.reset()


async def hangs(peer: Peer) -> None:
    await peer.head()
    await peer.wait_left()


def says(answer: bytes, then: Callable[[Peer], Awaitable[None]] | None = None) -> Handler:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        if then is not None:
            await then(peer)

    return handler


async def waits(peer: Peer) -> None:
    await peer.wait_left()


async def breaks(peer: Peer) -> None:
    await trio.sleep(0.02)
    peer.reset()


@frozen
class Fault:
    name: str
    handler: Handler
    status: int
    cause: str


FAULTS = [
    Fault("closes without an answer", closes, 502, "lost"),
    Fault("resets without an answer", resets, 502, "lost"),
    Fault("hangs", hangs, 504, "read_timeout"),
    Fault("half a head, then nothing", says(b"HTTP/1.1 200 OK\r\nx:", waits), 504, "read_timeout"),
    Fault("half a head, then the end", says(b"HTTP/1.1 200 OK\r\nx:"), 502, "lost"),
    Fault("no HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502, "garbage"),
    Fault("bytes", says(bytes(range(256)) + b"\r\n\r\n"), 502, "garbage"),
    Fault("a status of two digits", says(b"HTTP/1.1 20 OK\r\n\r\n"), 502, "garbage"),
    Fault("two lengths", says(TWO_LENGTHS), 502, "garbage"),
    Fault("a split head", says(b"HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n"), 502, "garbage"),
    Fault("a head without end", says(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000), 502, "garbage"),
    Fault("an upgrade", says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
          502, "garbage"),
]  # fmt: skip


async def works_again(up: Upstream, server: Forwarding) -> None:
    up.handler = answers_ok
    assert (await server.http.get("/proxy/up/")).text == "ok"
    stats = await server.settled()
    assert (stats.in_use_connections, stats.waiting) == (0, 0)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_before_the_answer(fault: Fault) -> None:
    async with upstream(fault.handler) as up, forwarding(up.url, QUICK) as server:
        answer = await server.http.post("/proxy/up/", content=b"x")
        result = answer.json()
        assert (answer.status_code, result["type"]) == (fault.status, "error")
        assert result["error"]["type"] == ("timeout_error" if fault.status == 504 else "api_error")
        assert result["error"]["details"] == {"upstream": "up", "cause": fault.cause}
        assert result["error"]["message"].startswith("The upstream 'up' ")
        assert result["request_id"] == answer.headers["request-id"]
        assert len(up.heads) == 0
        assert up.opened == 1  # a POST is asked once
        assert server.stats().errors == {fault.cause: 1}
        await works_again(up, server)


CUT = [
    ("a length that is not reached", says(HALF)),
    ("a length, and a reset", says(HALF, breaks)),
    ("a length, and silence", says(HALF, waits)),
    ("chunks without an end", says(HALF_CHUNKED)),
    ("chunks, and a reset", says(HALF_CHUNKED, breaks)),
    ("chunks, and silence", says(HALF_CHUNKED, waits)),
    ("chunks, and no chunk", says(HALF_CHUNKED + b"zz\r\n")),
]


@pytest.mark.parametrize("handler", [item for _, item in CUT], ids=[name for name, _ in CUT])
async def test_an_answer_that_breaks_off_never_looks_complete(handler: Handler) -> None:
    async with upstream(handler) as up, forwarding(up.url, QUICK) as server:
        request = server.http.build_request("GET", "/proxy/up/")
        answer = await server.http.send(request, stream=True)
        chunks = answer.aiter_raw()
        assert (answer.status_code, await anext(chunks)) == (200, b"half")
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)
        await works_again(up, server)
        assert sum(server.stats().errors.values()) == 1


async def test_nobody_listens() -> None:
    settings = HttpPoolSettings(retries=2)
    with reserved_port() as port:
        async with forwarding(f"http://127.0.0.1:{port}", settings) as server:
            answer = await server.http.post("/proxy/up/", content=b"x")
            assert (answer.status_code, answer.json()["error"]["details"]["cause"]) == (
                502,
                "connect",
            )
            stats = server.stats()
            assert (stats.retries, stats.errors) == (2, {"connect": 3})
            assert stats.state == "failing"
            health = await server.http.get("/health")
            assert (health.status_code, health.json()["http_pool"]) == (200, {"up": "failing"})
            async with upstream(port=port):
                assert (await server.http.post("/proxy/up/", content=b"x")).text == "ok"
            assert server.stats().state == "ok"


async def test_an_upstream_that_comes_up_meanwhile_is_reached_by_the_second_try() -> None:
    with reserved_port() as port:
        async with (
            forwarding(f"http://127.0.0.1:{port}") as server,
            trio.open_nursery() as nursery,
        ):

            async def come_up() -> None:
                await trio.sleep(0.03)
                async with upstream(port=port):
                    await trio.sleep_forever()

            nursery.start_soon(come_up)
            body = b"x" * 100_000  # more than is kept: nothing of it was taken
            assert (await server.http.post("/proxy/up/", content=body)).text == "ok"
            assert server.stats().retries == 1
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("method", "body", "asked", "status"),
    [
        ("GET", b"", 2, 200),
        ("DELETE", b"", 2, 200),
        ("PUT", b"short", 2, 200),
        ("PUT", b"x" * 100_000, 1, 502),
        ("POST", b"", 1, 502),
        ("POST", b"x", 1, 502),
        ("PATCH", b"x", 1, 502),
    ],
)
async def test_a_kept_connection_that_ends_as_the_next_request_is_on_its_way(
    method: str, body: bytes, asked: int, status: int
) -> None:
    """The keep-alive race: the upstream closes what it held idle, and has acted on nothing."""
    bodies: list[bytes] = []

    async def handler(peer: Peer) -> None:
        head = await peer.head()
        await peer.body(head)
        await peer.send(OK)
        while head := await peer.head():
            bodies.append(await peer.body(head))
            if peer.number == 1:
                return
            await peer.send(OK)

    async with upstream(handler) as up, forwarding(up.url) as server:
        assert (await server.http.get("/proxy/up/")).text == "ok"
        answer = await server.http.request(method, "/proxy/up/", content=body)
        assert answer.status_code == status
        assert bodies == [body]
        assert up.opened == asked
        await works_again(up, server)


async def test_a_restarted_upstream_needs_no_retry() -> None:
    with reserved_port() as port:
        async with forwarding(f"http://127.0.0.1:{port}") as server:
            async with upstream(port=port), trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(ignore, server.http.get("/proxy/up/"))
            async with upstream(port=port):
                for _ in range(3):
                    assert (await server.http.post("/proxy/up/", content=b"x")).text == "ok"
            assert (server.stats().errors, server.stats().retries) == ({}, 0)


async def test_a_pool_that_is_broken_is_made_anew_while_what_runs_goes_on() -> None:
    is_broken = False

    async def handler(peer: Peer) -> None:
        head = await peer.head()
        if b"/slow" in head:
            await peer.send(HALF)
            await release.wait()
            await peer.send(b" whole")
        elif is_broken:
            return
        await peer.send(OK)

    release = trio.Event()
    got: list[bytes] = []
    async with upstream(handler) as up, forwarding(up.url) as server:

        async def slow() -> None:
            got.append((await server.http.get("/proxy/up/slow")).content)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow)
            while not server.stats().first_byte_seconds.p50:  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.01)
            is_broken = True
            for _ in range(3):
                assert (await server.http.post("/proxy/up/", content=b"x")).status_code == 502
            with trio.fail_after(5):
                while not server.stats().recreations:  # noqa: ASYNC110 - there is no event
                    await trio.sleep(0.01)
            is_broken = False
            assert (await server.http.get("/proxy/up/")).text == "ok"
            release.set()
        assert got == [b"half whole"]
        stats = await server.settled()
        assert (stats.recreations, stats.state) == (1, "ok")


async def test_all_connections_busy() -> None:
    settings = HttpPoolSettings(max_connections=2, pool_timeout=0.2)
    async with upstream(hangs) as up, forwarding(up.url, settings) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ignore, server.http.get("/proxy/up/"))
            while server.stats().in_use_connections < 2:  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.01)
            answer = await server.http.get("/proxy/up/")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["type"] == "overloaded_error"
            assert "All 2 connections to the upstream 'up'" in answer.text
            nursery.cancel_scope.cancel()
        assert server.stats().pool_timeouts == 1
        await works_again(up, server)


async def ignore(awaitable: Awaitable[object]) -> None:
    await awaitable


async def test_an_upstream_that_hangs_leaves_the_others_theirs() -> None:
    settings = HttpPoolSettings(max_connections=2, pool_timeout=0.1)
    async with (
        upstream(hangs) as slow,
        upstream() as up,
        forwarding({"slow": slow.url, "up": up.url}, settings) as server,
        trio.open_nursery() as nursery,
    ):
        for _ in range(2):
            nursery.start_soon(ignore, server.http.get("/proxy/slow/"))
        while server.stats("slow").in_use_connections < 2:  # noqa: ASYNC110 - there is no event
            await trio.sleep(0.01)
        for _ in range(20):
            assert (await server.http.get("/proxy/up/")).text == "ok"
        nursery.cancel_scope.cancel()


async def test_an_upstream_that_does_not_read() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await trio.sleep_forever()

    async with upstream(handler) as up, forwarding(up.url, QUICK) as server:
        answer = await server.http.put("/proxy/up/", content=bytes(20_000_000))
        assert answer.status_code == 504
        assert answer.json()["error"]["details"]["cause"] == "write_timeout"


async def test_an_answer_before_the_end_of_the_body() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        with trio.move_on_after(1):
            await peer.wait_left()

    async with upstream(handler) as up, forwarding(up.url) as server:
        answer = await server.http.put("/proxy/up/", content=bytes(20_000_000))
        assert (answer.status_code, answer.text) == (413, "big")


async def test_a_client_that_is_silent_in_its_body() -> None:
    async with (
        upstream() as up,
        forwarding(up.url, server=ServerSettings(body_timeout=0.1)) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(
            b"POST /proxy/up/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc"
        )
        answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        await up.wait_open(0)
        await server.settled()


async def test_a_client_that_does_not_read_frees_its_connection() -> None:
    async def handler(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        while True:
            await peer.send(bytes(1_000_000))

    async with (
        upstream(handler) as up,
        forwarding(up.url, server=ServerSettings(send_timeout=0.2)) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(b"GET /proxy/up/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await stream.receive_some()
        await up.wait_open(0)
        assert (await server.settled()).clients_left == 1


async def leave(server: Forwarding, rng: random.Random) -> None:
    """Ask, and leave at some moment."""
    how = rng.choice([b"GET", b"PUT", b"POST"])
    size = 0 if how == b"GET" else 5_000
    async with await connect(server.url) as stream:
        await stream.send_all(b"%s /proxy/up/ HTTP/1.1\r\nhost: localhost\r\n" % how)
        await stream.send_all(b"content-length: %d\r\n\r\n" % size)
        if size and rng.random() < 0.7:
            await stream.send_all(bytes(rng.randrange(size + 1)))
        with trio.move_on_after(rng.random() * 0.05):
            await read_all(stream)
        if rng.random() < 0.5:
            linger = b"\1\0\0\0\0\0\0\0"
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)


async def test_clients_that_leave_leak_nothing(sized: Sized) -> None:
    rng, count = random.Random(5), sized(200, 1000)

    async def handler(peer: Peer) -> None:
        while head := await peer.head():
            await peer.body(head)
            await trio.sleep(rng.random() * 0.02)
            if b"/quick" in head:  # by whichever connection: some are kept
                await peer.send(OK)
                continue
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n")
            for _ in range(4):
                await trio.sleep(rng.random() * 0.005)
                await peer.send(b"12345")

    async with upstream(handler) as up, forwarding(up.url) as server:
        limit = trio.CapacityLimiter(50)

        async def leaver() -> None:
            # It may be answered before all is sent.
            async with limit:
                with suppress(trio.BrokenResourceError):
                    await leave(server, rng)

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(leaver)
        stats = await server.settled()
        assert stats.clients_left > count // 4
        assert stats.waiting == 0
        await up.wait_open(stats.idle_connections)
        assert stats.open_connections == stats.connections_created - stats.connections_closed
        for _ in range(stats.idle_connections + 1):
            assert (await server.http.get("/proxy/up/quick")).text == "ok"
        stats = await server.settled()
        assert (stats.in_use_connections, stats.waiting) == (0, 0)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_an_empty_body_that_was_read_to_its_end_is_not_sent_again(method: str) -> None:
    heads: list[bytes] = []

    async def handler(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.chunked()

    request = f"{method} /proxy/up/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
    async with (
        upstream(handler) as up,
        forwarding(up.url) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(request.encode() + b"\r\n0\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 502")
    assert len(heads) == 1


async def test_a_client_that_sends_nothing_of_its_body_holds_no_connection() -> None:
    settings = HttpPoolSettings(max_connections=1, pool_timeout=0.1)
    async with (
        upstream() as up,
        forwarding(up.url, settings) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(b"POST /proxy/up/ HTTP/1.1\r\nhost: localhost\r\n")
        await stream.send_all(b"content-length: 9\r\n\r\n")
        await trio.sleep(0.05)
        assert (await server.http.get("/proxy/up/")).text == "ok"


async def test_in_http_1_0_too_an_answer_that_breaks_off_does_not_look_complete() -> None:
    async with (
        upstream(says(HALF_CHUNKED)) as up,
        forwarding(up.url) as server,
        await connect(server.url) as stream,
    ):
        await stream.send_all(b"GET /proxy/up/ HTTP/1.0\r\nhost: localhost\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await read_all(stream)


async def test_in_http_2_too() -> None:
    async with (
        upstream(says(HALF_CHUNKED)) as up,
        forwarding(up.url) as server,
        httpx.AsyncClient(http1=False, http2=True, base_url=server.url, timeout=5) as http,
    ):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await http.get("/proxy/up/")


async def test_in_http_2_too_a_client_that_leaves_frees_its_connection() -> None:
    async with upstream(hangs) as up, forwarding(up.url) as server:
        async with httpx.AsyncClient(http1=False, http2=True, base_url=server.url) as http:
            with trio.move_on_after(0.3):
                await http.get("/proxy/up/")
            assert up.open_now == 1
        await up.wait_open(0)
        assert (await server.settled()).clients_left == 1


async def test_a_connection_that_cannot_be_made_costs_nothing() -> None:
    settings = HttpPoolSettings(max_connections=2, proxy="ftp://nowhere", pool_timeout=0.1)
    async with upstream() as up, forwarding(up.url, settings) as server:
        for _ in range(5):
            assert (await server.http.get("/proxy/up/")).status_code == 500
        assert server.stats().pool_timeouts == 0


async def test_a_proxy_on_the_way_is_told_where_to(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def handler(peer: Peer) -> None:
        while head := await peer.head():
            heads.append(head)
            if head.startswith(b"CONNECT"):
                await peer.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                return
            await peer.send(OK)

    async with upstream(handler) as proxy:
        settings = HttpPoolSettings(proxy=proxy.url)
        urls = {"up": "http://up.example/base", "tls": "https://tls.example"}
        async with forwarding(urls, settings) as server:
            for _ in range(2):
                assert (await server.http.get("/proxy/up/a%20b?x=1")).text == "ok"
            assert (await server.http.get("/proxy/tls/x")).status_code == 502
    assert heads[0].startswith(b"GET http://up.example/base/a%20b?x=1 HTTP/1.1\r\n")
    assert proxy.opened == 3  # what cannot be connected is tried once more
    assert heads[2].startswith(b"CONNECT tls.example:443 HTTP/1.1\r\n")


def certificates(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, str(file)


async def test_tls_is_spoken_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, file = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", file)
    async with upstream(context=context) as up, forwarding(up.url) as server:
        for _ in range(3):
            assert (await server.http.get("/proxy/up/")).text == "ok"
        assert up.opened == 1


async def test_a_certificate_that_nobody_trusts_until_somebody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certificates(tmp_path)
    async with upstream(context=context) as up, forwarding(up.url) as server:
        monkeypatch.setenv("SSL_CERT_FILE", file)  # as if the file had just been renewed
        for _ in range(3):
            answer = await server.http.get("/proxy/up/")
            assert answer.status_code == 502
            assert answer.json()["error"]["details"]["cause"] == "tls"
        with trio.fail_after(5):
            while not server.stats().recreations:  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.01)
        assert (await server.http.get("/proxy/up/")).text == "ok"


async def test_of_a_header_that_cannot_be_sent_a_part_is_told() -> None:
    async with upstream() as server:
        connection = open_connection(
            read_upstream("up", server.url), Timeouts(1.0, 1.0, 1.0, 1.0), None
        )
        header = (b"x-evil", b"evil\n" * 10_000)
        with pytest.raises(InvalidRequest, match="cannot be sent as HTTP") as caught:
            await connection.send(Request("GET", b"/", [header], RequestBody()))
        await connection.aclose()
    assert len(caught.value.message) < 150
