"""The response to one request, as a state machine: what was sent, and how it can still end.

    state     what comes                   what is sent                          next state
    WAITING   a head                       it, with the headers of this server   STARTED
    WAITING   refuse(error)                the error as a whole response         ENDED
    STARTED   a part of the body           it                                    STARTED
    STARTED   the last part                it, shielded                          ENDED
    STARTED   end(), of a stream           the error in the stream               ENDED
    STARTED   fail()                       nothing: the connection is broken     ENDED
    any       the client leaves            nothing                               ENDED

The last send is shielded, with a deadline: at the end of a response quart-trio cancels itself,
while Hypercorn is still recycling or closing the connection.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import TypeAlias

import trio

from trioproxy.asgi_server.asgi import Message, Receive, Scope, Send
from trioproxy.asgi_server.watcher import Watch
from trioproxy.dialects.renderer import Renderer
from trioproxy.errors import InternalError, PoolClosed, TrioproxyError
from trioproxy.web.observe.notes import NOTES, as_header
from trioproxy.web.observe.registry import RequestRecord
from trioproxy.web.responses import as_error

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_START = "http.response.start"
_BODY = "http.response.body"
_LAST_SEND = 2.0  # seconds


class State(Enum):
    """How far a response has come."""

    WAITING = auto()
    STARTED = auto()
    ENDED = auto()


class ResponseSender:
    """Sends one response. `headers` go onto it, whoever makes it.

    `renderer`: set while an answer is streamed, to report an error in the caller's dialect.
    """

    def __init__(
        self, record: RequestRecord, scope: Scope, send: Send, watch: Watch, headers: Headers
    ) -> None:
        self._record = record
        self._scope = scope
        self._send = send
        self._watch = watch
        # The first name is Anthropic's, the second OpenAI's.
        names = (b"request-id", b"x-request-id")
        self._headers = [*((name, record.id.encode()) for name in names), *headers]
        self.state = State.WAITING
        self.renderer: Renderer | None = None

    def add(self, headers: Headers) -> None:
        """Put more headers onto the response."""
        self._headers += headers

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, which notices that the client leaves."""

        async def noticing() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.state = State.ENDED
            else:
                self._record.asked(message.get("body", b""))
            return message

        return noticing

    async def send(self, message: Message) -> None:
        """Send the head of the response, or a part of its body."""
        if message["type"] == _START:
            headers = _merged(message.get("headers", ()), self._headers)
            if self.state is State.WAITING:
                self.state = State.STARTED
            self._record.status = message["status"]
            await self._watch.sending(self._send, {**message, "headers": headers})
            return
        if body := message.get("body"):
            self._record.answered(body)
        if message.get("more_body", False):
            await self._watch.sending(self._send, message)
            return
        self.state = State.ENDED
        with trio.move_on_after(_LAST_SEND, shield=True):
            await self._watch.sending(self._send, message)

    async def start(self, status: int, headers: list[tuple[bytes, bytes]], first: bytes) -> None:
        """Send the head and the first part of the body, in one write. More of it follows."""
        with self._watch.holding():
            await self.send({"type": _START, "status": status, "headers": headers})
        await self.send({"type": _BODY, "body": first, "more_body": True})

    async def send_whole(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
    ) -> None:
        """Send a whole response."""
        await self.send({"type": _START, "status": status, "headers": headers})
        await self.send({"type": _BODY, "body": body})

    async def refuse(self, error: TrioproxyError) -> None:
        """Send an error as the response. Only while nothing was sent."""
        assert self.state is not State.STARTED
        self._record.failed(error)
        headers, body = as_error(error, self._scope, self._record.id)
        if notes := self._record.notes:  # the API has refused what was mended
            headers.append((NOTES, as_header(notes).encode()))
        await self.send_whole(error.status, headers, body)

    async def fail(self) -> None:
        """The server has failed: say so, or break off what was begun."""
        self._record.failure = InternalError.type
        if self.state is State.WAITING:
            await self.refuse(InternalError("Internal error: see the server's log."))
        else:
            self.state = State.ENDED
            self._watch.break_off()

    async def end(self) -> None:
        """The server stops: say so, if the client is there and waits for more."""
        error = PoolClosed("The server is stopping.")
        if self.state is State.WAITING:
            await self.refuse(error)
        elif self.state is State.STARTED and self.renderer is not None:
            last = self.renderer.failed(error, self._record.id)
            await self.send({"type": _BODY, "body": last})


def _merged(
    given: Iterable[tuple[bytes, bytes]], ours: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """A route's or an upstream's headers, then ours that they lack; CORS is ours alone."""
    cors = {name for name, _ in ours if name.startswith(b"access-control-")}
    kept = [header for header in given if header[0] not in cors]
    names = {name for name, _ in kept} - {b"vary"}
    return kept + [header for header in ours if header[0] not in names]
