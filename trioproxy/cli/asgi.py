"""A request to an ASGI app of this process, without a socket."""

from typing import Any

import orjson
import trio
from attrs import Factory, define

from trioproxy.asgi_server.asgi import ASGIApp, Message, Scope


@define
class Response:
    """All that the app has sent."""

    status: int = 0
    body: bytes = b""
    _request: list[Message] = Factory(list)

    async def receive(self) -> Message:
        """The request, and then nothing: the client stays."""
        if not self._request:
            await trio.sleep_forever()
        return self._request.pop()

    async def send(self, message: Message) -> None:
        """Take what the app sends."""
        await trio.lowlevel.checkpoint()
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


async def post(app: ASGIApp, path: str, body: object) -> Response:
    """POST a `body` as JSON, and wait for the whole response."""
    request = {"type": "http.request", "body": orjson.dumps(body), "more_body": False}
    response = Response(request=[request])
    await app(_scope(path), response.receive, response.send)
    return response


def _scope(path: str) -> Scope:
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    place: dict[str, Any] = {"client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0)}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "extensions": {},
        "state": {},
        **place,
    }
