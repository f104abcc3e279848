"""What a client's connection may and may not do, on raw sockets, under `trioproxy serve`."""

from pathlib import Path

import pytest
import trio

from tests.real.test_stopping import served
from tests.standin.raw import connect, read_all, read_until

pytestmark = pytest.mark.real

SETTINGS = {
    "SERVER__KEEP_ALIVE_TIMEOUT": "0.4",
    "SERVER__MAX_HEADER_SIZE": "2048",
    "POOL_SETTINGS__MIN_SIZE": "0",
    "POOL_SETTINGS__SPARE_SIZE": "0",
    "POOL_SETTINGS__WARMUP_ON_STARTUP": "false",
}
GET = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


async def test_connections_end_when_they_should(tmp_path: Path) -> None:
    async with served(tmp_path, **SETTINGS) as server:

        async def says_nothing() -> None:
            assert await closed_after(b"", 0.3, 2.0) == b""

        async def drips_its_head() -> None:
            async with await connect(server.url) as stream:
                begun = trio.current_time()
                with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
                    for byte in GET * 100:
                        await stream.send_all(bytes([byte]))
                        await trio.sleep(0.02)
                assert trio.current_time() - begun < 2

        async def is_idle_behind_an_answer() -> None:
            assert b"200" in await closed_after(GET + b"\r\n", 0.3, 2.0)

        async def asks_to_close() -> None:
            assert b"200" in await closed_after(GET + b"connection: close\r\n\r\n", 0.0, 0.3)

        async def is_of_http_1_0() -> None:
            old = GET.replace(b"1.1", b"1.0") + b"\r\n"
            assert b"200" in await closed_after(old, 0.0, 0.3)

        async def has_too_long_a_head() -> None:
            answer = await closed_after(GET + b"x: " + b"a" * 4000 + b"\r\n\r\n", 0.0, 0.3)
            assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))

        async def closed_after(data: bytes, earliest: float, latest: float) -> bytes:
            async with await connect(server.url) as stream:
                await stream.send_all(data)
                begun = trio.current_time()
                with trio.fail_after(5):
                    answer = await read_all(stream)
                assert earliest <= trio.current_time() - begun <= latest
                return answer

        for client in (asks_to_close, is_of_http_1_0, has_too_long_a_head):
            await client()
        async with trio.open_nursery() as nursery:
            for client in (says_nothing, drips_its_head, is_idle_behind_an_answer):
                nursery.start_soon(client)


async def test_a_connection_serves_one_request_after_the_other(tmp_path: Path) -> None:
    async with served(tmp_path, **SETTINGS) as server, await connect(server.url) as stream:
        for _ in range(5):
            await stream.send_all(GET + b"\r\n")
            answer = await read_until(stream, b'{"status":"ok"}')
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"server:" not in answer.lower()
