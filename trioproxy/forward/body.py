"""A request's body, as it comes from the client: nothing waits for the rest of it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import trio

from trioproxy.errors import BodyTooSlow

ReceiveBody: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]

_KEPT = 65_536  # bytes, to be sent once more
_SLOWEST = 1000.0  # bytes a second: a slower client holds up others


class ClientLeft(Exception):
    """The client is gone, in the middle of its request."""


async def _nothing() -> dict[str, Any]:  # noqa: ASYNC124 - ASGI
    return {"type": "http.request"}


class RequestBody:
    """The chunks of a request body, from ASGI messages. Only one iteration runs at a time.

    Each iteration starts over, from the bytes that are kept. `timeout`: seconds for the whole
    body, plus one for each kilobyte received. `is_begun`: some bytes were taken; `is_whole`: all
    bytes that were taken are still kept; `has_ended`: the last byte was received.
    """

    def __init__(self, receive: ReceiveBody = _nothing, timeout: float = 1.0) -> None:
        self._receive = receive
        self._timeout = timeout
        self._deadline = 0.0
        self._pending = b""  # read, and not yet taken
        self._kept = bytearray()  # taken
        self.has_ended = receive is _nothing
        self.is_begun = False
        self.is_whole = True

    @classmethod
    def of(cls, content: bytes) -> "RequestBody":
        """A body whose bytes are known."""
        body = cls()
        body._pending = content
        return body

    # No generator: httpcore leaves one unclosed where a request fails in its middle.
    def __aiter__(self) -> "RequestBody":
        """Begin anew."""
        assert self.is_whole
        self._pending = bytes(self._kept) + self._pending
        self._kept.clear()
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises `ClientLeft` and `BodyTooSlow`."""
        self.is_begun = True
        if not await self.peek():
            raise StopAsyncIteration
        chunk, self._pending = self._pending, b""
        self._keep(chunk)
        return chunk

    async def peek(self) -> bool:
        """Whether there is more of it; waits until that is known. Raises as `__anext__`."""
        while not (self._pending or self.has_ended):
            self._pending = await self._read()
        return bool(self._pending)

    async def discard(self) -> None:
        """Read the rest of the body and drop it. Raises as `__anext__`."""
        while not self.has_ended:
            await self._read()

    async def _read(self) -> bytes:
        self._deadline = self._deadline or trio.current_time() + self._timeout
        with trio.move_on_at(self._deadline) as waiting:
            message = await self._receive()
        if waiting.cancelled_caught:
            raise BodyTooSlow("The body did not arrive in time.")
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self.has_ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._deadline += len(chunk) / _SLOWEST
        return chunk

    def _keep(self, chunk: bytes) -> None:
        if self.is_whole and len(self._kept) + len(chunk) <= _KEPT:
            self._kept += chunk
        else:
            self.is_whole = False
            self._kept.clear()
