"""How connections are kept, cut and closed, seen on the wire."""

import socket
from contextlib import AsyncExitStack

import httpx
import pytest
import trio

from tests.standin import raw
from tests.standin.requests import asking, streaming
from trioproxy.standin import StandIn, serve_standin


@pytest.mark.parametrize("rate", ["inf", "1000"])
async def test_a_stream_that_drops(
    base_url: str, rate: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await raw.connect(base_url)
    async with stream:
        await stream.send_all(raw.post(streaming(f"[[standin drop_after=3 rate={rate}]]")))
        received = await raw.read_all(stream)
    assert received.count(b"text_delta") == 3
    assert received.endswith(b"\n\n\r\n"), "the last chunk is whole, and is not the last"
    assert caplog.records == []


async def test_a_whole_answer_that_drops(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        await client.post("/v1/messages", json=asking("[[standin drop_after=3]]"))


@pytest.mark.parametrize("text", ["[[standin hang]]", "[[standin words=1000 rate=10]]"])
async def test_a_client_that_leaves(
    base_url: str, standin: StandIn, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with await raw.connect(base_url) as stream:
        await stream.send_all(raw.post(streaming(text)))
        await standin.record.wait_for_messages(1)
        assert standin.open_streams == 1
    with trio.fail_after(2):
        await standin.wait_idle()
    assert standin.open_streams == 0
    assert caplog.records == []


async def test_a_client_that_leaves_before_it_has_asked(
    base_url: str, standin: StandIn, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with await raw.connect(base_url) as stream:
        await stream.send_all(raw.post(asking("hello"))[:-5])
    await client.get("/")
    assert [request.path for request in standin.record] == ["/"]
    assert caplog.records == []


async def test_a_connection_serves_again(base_url: str) -> None:
    async with await raw.connect(base_url) as stream:
        with trio.fail_after(2):
            for number in (1, 2, 3):
                await stream.send_all(raw.post(streaming("hello")))
                received = await raw.read_until(stream, raw.END)
                assert f"msg_standin_{number:06d}".encode() in received


@pytest.mark.parametrize(
    "request_",
    [raw.post(asking("hi"), "connection: close"), raw.post(asking("hi"), version="1.0")],
)
async def test_a_connection_is_closed_if_so_wished(base_url: str, request_: bytes) -> None:
    async with await raw.connect(base_url) as stream:
        await stream.send_all(request_)
        with trio.fail_after(2):
            assert (await raw.read_all(stream)).endswith(b"}")


async def test_the_end_comes_at_once(standin: StandIn) -> None:
    """Whatever is open: an idle connection, half a request, streams, and who does not read."""
    async with AsyncExitStack() as clients, trio.open_nursery() as rescue:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(serve_standin, standin)
            asked = [
                raw.post(streaming("[[standin words=20000]]", max_tokens=20_000)),
                raw.post(streaming("[[standin hang]]")),
                raw.post(streaming("[[standin words=100 rate=1]]")),
                raw.post(asking("hello"))[:-5],
                b"",
            ]
            for request in asked:
                stream = await clients.enter_async_context(await raw.connect(url))
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await stream.send_all(request)
            await standin.record.wait_for_messages(3)
            await trio.sleep(0.1)  # nothing tells when a client's buffers are full
            assert standin.open_streams == 3
            begin = trio.current_time()
            rescue.start_soon(_close_after, 2, clients)
            nursery.cancel_scope.cancel()
        rescue.cancel_scope.cancel()
    assert trio.current_time() - begin < 1
    assert standin.open_streams == 0


async def _close_after(seconds: float, clients: AsyncExitStack) -> None:
    """Let a test fail that would wait for ever."""
    await trio.sleep(seconds)
    await clients.aclose()
