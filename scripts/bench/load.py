"""A client's connection for measuring: little work for each request, whatever is asked.

The request is made beforehand, and the response is looked at no closer than it takes to find its
end: by its content-length, or by its last chunk. It uses asyncio, whose protocols are called with
the bytes as they come: a task switch less than with streams.
"""

import asyncio
import re
from dataclasses import dataclass, field
from time import perf_counter

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass
class Response:
    """A response, and when its parts came, in seconds from the request.

    `first`: the first byte of the body; `whole`: the last one; `marks`: each mark asked for.
    """

    head: bytes
    body: bytes
    first: float
    whole: float
    marks: list[float] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The three digits of the status."""
        return self.head[9:12].decode()

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection then."""
        return _CLOSES.search(self.head) is not None


class Connection(asyncio.Protocol):
    """A connection to the server, with one request under way at most."""

    _transport: asyncio.Transport
    _response: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, *, mark: bytes = b"") -> asyncio.Future[Response]:
        """Send a request. `mark`: bytes of the body whose times are kept.

        Raises `ConnectionError` when the connection ends before the response.
        """
        self._response = asyncio.get_running_loop().create_future()
        self._received = bytearray()
        self._body = -1  # where it begins
        self._length: int | None = None
        self._first = 0.0
        self._mark, self._seen, self._marks = mark, 0, list[float]()
        self._begun = perf_counter()
        self._transport.write(request)
        return self._response

    def data_received(self, data: bytes) -> None:
        """Called by asyncio, with each read."""
        now = perf_counter() - self._begun
        self._received += data
        if self._body < 0 and not self._read_head():
            return
        if not self._first and len(self._received) > self._body:
            self._first = now
        if self._mark:
            self._find_marks(now)
        if self._is_whole() and self._response is not None and not self._response.done():
            head, body = bytes(self._received[: self._body]), bytes(self._received[self._body :])
            first = self._first or now
            self._response.set_result(Response(head, body, first, now, self._marks))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._body = self._seen = end + 4
        length = _LENGTH.search(self._received, 0, end)
        self._length = int(length[1]) if length else None
        return True

    def _find_marks(self, now: float) -> None:
        while (at := self._received.find(self._mark, self._seen)) >= 0:
            self._marks.append(round(now, 6))
            self._seen = at + len(self._mark)

    def _is_whole(self) -> bool:
        if self._length is None:
            return self._received.endswith(_LAST_CHUNK)
        return len(self._received) >= self._body + self._length

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio, at the end."""
        if self._response is not None and not self._response.done():
            self._response.set_exception(ConnectionError(f"connection lost: {exc or 'closed'}"))

    def close(self) -> None:
        """End it."""
        self._transport.close()


async def connect(port: int) -> Connection:
    """A connection to a server of this machine. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection
