"""What a client's connection may and may not do, on raw sockets, under `trioproxy serve`."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.real.background import in_background
from tests.real.programs import NO_PROCESS, served
from tests.standin.raw import connect, read_all, read_until

pytestmark = pytest.mark.real

SETTINGS = {
    "SERVER__KEEP_ALIVE_TIMEOUT": "0.4",
    "SERVER__MAX_HEADER_SIZE": "2048",
    **NO_PROCESS,
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server with these settings is."""
    with in_background(served(tmp_path_factory.mktemp("served"), **SETTINGS)) as found:
        yield found.it.url


GET = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


async def closed_after(url: str, data: bytes) -> tuple[bytes, float]:
    """What comes back until the server closes, and after how many seconds that is."""
    async with await connect(url) as stream:
        await stream.send_all(data)
        begun = trio.current_time()
        with trio.fail_after(5):
            return await read_all(stream), trio.current_time() - begun


async def test_connections_that_are_closed_at_once(url: str) -> None:
    for request in (GET + b"connection: close\r\n\r\n", GET.replace(b"1.1", b"1.0") + b"\r\n"):
        answer, seconds = await closed_after(url, request)
        assert answer.startswith(b"HTTP/1.1 200")
        assert seconds < 0.3
    answer, seconds = await closed_after(url, GET + b"x: " + b"a" * 4000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431")
    assert seconds < 0.3


async def test_connections_that_are_closed_after_a_while(url: str) -> None:
    # Nothing, half a head, and idle behind an answer.
    for request in (b"", GET, GET + b"\r\n"):
        _, seconds = await closed_after(url, request)
        assert 0.3 < seconds < 2
    begun = trio.current_time()
    async with await connect(url) as stream:
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
            await drip(stream, GET * 100)
    assert trio.current_time() - begun < 2


async def drip(stream: trio.SocketStream, data: bytes) -> None:
    for byte in data:
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.02)


async def test_a_connection_serves_one_request_after_the_other(url: str) -> None:
    async with await connect(url) as stream:
        for _ in range(5):
            await stream.send_all(GET + b"\r\n")
            answer = await read_until(stream, b'{"status":"ok"}')
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"server:" not in answer.lower()


async def test_more_connections_than_there_may_be(tmp_path: Path) -> None:
    settings = {**SETTINGS, "SERVER__MAX_CONNECTIONS": "5", "SERVER__KEEP_ALIVE_TIMEOUT": "60"}
    async with served(tmp_path, **settings) as server, AsyncExitStack() as stack:
        held = []
        for _ in range(4):  # and one that asked whether the server is there
            stream = await stack.enter_async_context(await connect(server.url))
            await stream.send_all(GET + b"\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            held.append(stream)
        assert (await closed_after(server.url, b""))[0] == b""
        await held[0].aclose()
        await trio.sleep(0.2)
        async with await connect(server.url) as stream:
            await stream.send_all(GET + b"\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
