"""The presence of a client: what is held for a request ends with its ASGI call.

A Quart handler returns before its response is streamed, and a body generator whose client left
during `http.response.start` never starts: its `finally` never runs. So neither of them owns what
a request holds. The ASGI call does: it is there for as long as the client is, and leaving it, in
any way, gives everything back. Nothing that is held may need an await to be given back.

A call ends early for one of two reasons. The client has left: then there is nobody to tell. Or
the server stops, and Hypercorn cancels the call: then the client is told, by an `error` event in
a stream, or a 503 where nothing has been sent yet.

The last send is shielded, with a deadline: at the end of a response quart-trio cancels itself
while Hypercorn is still at its own work of recycling or closing the connection.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from secrets import token_hex
from typing import Any, TypeAlias, TypeVar, cast

import orjson
import trio
from attrs import define, field

from trioproxy import logs
from trioproxy.dialects.reply import Reply
from trioproxy.errors import PoolClosed
from trioproxy.web.dialect import error_body_for
from trioproxy.web.transport import Watch, Watcher

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_KEY = "trioproxy.call"
_LAST_SEND = 2.0

T = TypeVar("T")


@define(eq=False)
class Call:
    """One request while its client is there."""

    request_id: str = field(factory=lambda: f"req_{token_hex(12)}")
    reply: Reply | None = None  # while an answer is streamed
    _held: ExitStack = field(factory=ExitStack)

    def holding(self) -> AbstractContextManager[object]:
        """The time for which things are held."""
        return self._held

    def hold(self, held: AbstractContextManager[T]) -> T:
        """Enter `held`; it is left when the client has its answer, or is gone."""
        return self._held.enter_context(held)


def current_call(scope: object) -> Call:
    """The call that an ASGI scope belongs to."""
    call: Call = cast(Scope, scope)[_KEY]
    return call


class Presence:
    """An ASGI callable around another: see above. `headers` go onto every response."""

    def __init__(self, inner: ASGIApp, watcher: Watcher, *, headers: Headers = ()) -> None:
        self._inner = inner
        self._watcher = watcher
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = Call()
        logs.request_id.set(call.request_id)
        with (
            call.holding(),
            trio.CancelScope() as gone,
            self._watcher.watching(send, gone) as watch,
        ):
            response = _Response(call, scope, send, watch, self._headers)
            heard = response.receiving(receive)
            is_fault = False
            try:
                await self._inner({**scope, _KEY: call}, heard, response.send)
            except Exception:
                is_fault = True  # Hypercorn logs it and answers with a 500
                raise
            finally:
                if not (gone.cancel_called or is_fault):
                    with trio.move_on_after(_LAST_SEND, shield=True):
                        await response.end()


class _Response:
    """What has been said to the client so far, and how to come to an end."""

    def __init__(
        self, call: Call, scope: Scope, send: Send, watch: Watch, headers: Headers
    ) -> None:
        self._call = call
        self._scope = scope
        self._send = send
        self._watch = watch
        # The first name is Anthropic's, the second OpenAI's.
        names = (b"request-id", b"x-request-id")
        self._headers = [*((name, call.request_id.encode()) for name in names), *headers]
        self._has_started = False
        self._has_ended = False

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, with an ear for the client's leaving."""

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._has_ended = True
            return message

        return heard

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self._has_started = True
            said = list(message.get("headers", ()))
            names = {name for name, _ in said}
            said += [header for header in self._headers if header[0] not in names]
            message = {**message, "headers": said}
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._has_ended = True
            with trio.move_on_after(_LAST_SEND, shield=True):
                await self._watch.sending(self._send, message)
        else:
            await self._watch.sending(self._send, message)

    async def end(self) -> None:
        """The server stops: say so, if the client is there and waits for more."""
        if self._has_ended:
            return
        error = PoolClosed("The server is stopping.")
        if not self._has_started:
            body = error_body_for(self._scope)(error, self._call.request_id)
            head = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
            await self.send(
                {"type": "http.response.start", "status": error.status, "headers": head}
            )
            await self.send({"type": "http.response.body", "body": orjson.dumps(body)})
        elif self._call.reply is not None:
            last = self._call.reply.failed(error, self._call.request_id)
            await self.send({"type": "http.response.body", "body": last})
