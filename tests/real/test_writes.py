"""How answers go onto the wire: nothing is written twice that can be written once."""

import httpx
import pytest
import trio

from tests.real.background import there
from tests.real.bodies import body
from tests.real.servers import Running
from trioproxy.dialects.renderer import MessagesRenderer

pytestmark = pytest.mark.real


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What this process writes to sockets, write by write."""
    found: list[bytes] = []
    send_all = trio.SocketStream.send_all

    async def noted(self: trio.SocketStream, data: bytes) -> None:
        found.append(bytes(data))
        await send_all(self, data)

    monkeypatch.setattr(trio.SocketStream, "send_all", noted)
    return found


@there
async def test_an_answer_begins_with_its_head(server: Running, written: list[bytes]) -> None:
    async with httpx.AsyncClient() as http:
        for stream in (False, True):
            written.clear()
            answer = await http.post(server.url + "/v1/messages", json=body(stream=stream))
            assert answer.status_code == 200
            (first,) = [data for data in written if b"x-request-id" in data]
            head, _, rest = first.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            if stream:
                assert b"event: message_start" in rest
            else:
                assert rest == answer.content
            assert b"" not in written


@there
async def test_what_fails_before_it_begins_is_an_error_instead(
    server: Running, written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of the answer had been made, and waited."""

    def broken(*_: object) -> bytes:
        raise RuntimeError

    monkeypatch.setattr(MessagesRenderer, "events", broken)
    monkeypatch.setattr(MessagesRenderer, "whole", broken)
    async with httpx.AsyncClient() as http:
        for stream in (False, True):
            written.clear()
            answer = await http.post(server.url + "/v1/messages", json=body(stream=stream))
            assert answer.status_code == 500
            assert answer.json()["error"]["type"] == "api_error"
            assert answer.headers["content-type"] == "application/json"
            assert sum(b"x-request-id" in data for data in written) == 1
        await server.settled()
