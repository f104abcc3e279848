"""The server, with a record of what its clients sent and of what they got.

`hypercorn tests.agents.recorded:app --worker-class trio`: a line of JSON for each request that
came, and one for its end, in the file that `AGENTS_RECORD` names. Nothing on the way is altered.
"""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, define, field, frozen

from trioproxy.app import app as server
from trioproxy.asgi_server.asgi import Receive, Scope, Send

_numbers = count(1)


@frozen
class Exchange:
    """A request as a client sent it, and what it got."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any
    status: int | None
    """None: the client left before the answer began."""
    notes: str
    error: str
    """The body of an answer that is an error, or the event that ends a stream with one."""

    @property
    def is_messages(self) -> bool:
        """Whether this asked for an answer of the model."""
        return self.method == "POST" and self.path.endswith("/messages")

    @property
    def is_refused(self) -> bool:
        return self.status is not None and self.status >= 400  # HTTP's errors


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The server's own ASGI callable, recorded."""
    if scope["type"] != "http":
        await server(scope, receive, send)
        return
    recording = _Recording(scope, receive, send, next(_numbers))
    _write({"number": recording.number})
    try:
        await server(scope, recording.receive, recording.send)
    finally:
        recording.end()


def exchanges(path: Path) -> list[Exchange] | None:
    """Those that are recorded, in the order in which they came; None while one is under way."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    ended = {line["number"]: Exchange(**line) for line in lines if "method" in line}
    begun = [line["number"] for line in lines if "method" not in line]
    if set(begun) - set(ended):
        return None
    return [ended[number] for number in begun]


@define
class _Recording:
    scope: Scope
    _receive: Receive
    _send: Send
    number: int
    _body: bytearray = field(factory=bytearray)
    _answer: bytearray = field(factory=bytearray)
    _status: int | None = None
    _notes: str = ""
    _is_ended: bool = False

    async def receive(self) -> Any:
        event = await self._receive()
        if event["type"] == "http.request":
            self._body += event.get("body", b"")
        return event

    async def send(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self._status = event["status"]
            self._notes = dict(_decoded(event["headers"])).get("x-trioproxy-notes", "")
        elif event["type"] == "http.response.body":
            self._answer += event.get("body", b"")
            if not event.get("more_body", False):
                self.end()  # before the client can know that it has all
        await self._send(event)

    def end(self) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        exchange = Exchange(
            number=self.number,
            method=self.scope["method"],
            path=self.scope["path"],
            query=self.scope["query_string"].decode("latin-1"),
            headers=dict(_decoded(self.scope["headers"])),
            body=_json_or_text(bytes(self._body)),
            status=self._status,
            notes=self._notes,
            error=self._error(),
        )
        _write(asdict(exchange))

    def _error(self) -> str:
        answer = self._answer.decode(errors="replace")
        if self._status is not None and self._status >= 400:  # HTTP's errors
            return answer
        _, found, event = answer.partition("event: error\n")
        return event.strip() if found else ""


def _decoded(headers: Any) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield name.decode("latin-1").lower(), value.decode("latin-1")


def _json_or_text(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _write(line: dict[str, Any]) -> None:
    with Path(os.environ["AGENTS_RECORD"]).open("ab", buffering=0) as file:
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
