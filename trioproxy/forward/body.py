"""A request's body, as it comes from the client: nothing waits for the rest of it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import trio

from trioproxy.errors import BodyTooSlow

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]

_KEPT = 65_536  # bytes, to be sent once more


class ClientLeft(Exception):
    """The client is gone, in the middle of its request."""


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


class RequestBody:
    """Reads ASGI messages. Each iteration begins anew, with what is kept; there is one at a time.

    `patience`: seconds of silence until the client is given up. `is_begun`: something of it was
    taken; `is_whole`: all that was taken is still there. `has_ended`: no more of it
    comes.
    """

    def __init__(self, receive: Receive = _nothing, patience: float = 1.0) -> None:
        self._receive = receive
        self._patience = patience
        self._kept = bytearray()
        self._again = b""
        self.has_ended = receive is _nothing
        self.is_begun = False
        self.is_whole = True

    @classmethod
    def of(cls, content: bytes) -> "RequestBody":
        """A body that is there already."""
        body = cls()
        body._kept += content
        return body

    # No generator: httpcore leaves one unclosed where a request fails in its middle.
    def __aiter__(self) -> "RequestBody":
        """Begin anew."""
        assert self.is_whole
        self._again = bytes(self._kept)
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises `ClientLeft` and `BodyTooSlow`."""
        chunk, self._again = self._again, b""
        self.is_begun = self.is_begun or bool(chunk)
        while not (chunk or self.has_ended):
            chunk = await self._read()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def discard(self) -> None:
        """Read what is still to come, and forget it."""
        while not self.has_ended:
            await self._read()

    async def peek(self) -> bool:
        """Whether anything comes, for those who cannot know it from headers."""
        while not (self._kept or self.has_ended):
            await self._read()
            self.is_begun = False  # it is still here
        return bool(self._kept) or not self.is_whole

    async def _read(self) -> bytes:
        with trio.move_on_after(self._patience) as waiting:
            message = await self._receive()
        if waiting.cancelled_caught:
            raise BodyTooSlow(f"No more of the body came for {self._patience:g} s.")
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self.has_ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._keep(chunk)
        return chunk

    def _keep(self, chunk: bytes) -> None:
        self.is_begun = self.is_begun or bool(chunk)
        if self.is_whole and len(self._kept) + len(chunk) <= _KEPT:
            self._kept += chunk
        else:
            self.is_whole = False
            self._kept.clear()
