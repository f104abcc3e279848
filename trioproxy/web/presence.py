"""The presence of a client: what is held for a request ends with its ASGI call.

A Quart handler returns before its response is streamed, and a body generator whose client left
during `http.response.start` never starts: its `finally` never runs. So neither of them owns what
a request holds. The ASGI call does: it is there for as long as the client is, and leaving it, in
any way, gives everything back. Nothing that is held may need an await to be given back.

The last send is shielded, with a deadline: at the end of a response quart-trio cancels itself
while Hypercorn is still at its own work of recycling or closing the connection.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from secrets import token_hex
from typing import Any, TypeAlias, TypeVar, cast

import trio
from attrs import field, frozen

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_KEY = "trioproxy.call"
_LAST_SEND = 5.0

T = TypeVar("T")


@frozen
class Call:
    """One request while its client is there."""

    request_id: str = field(factory=lambda: f"req_{token_hex(12)}")
    _held: ExitStack = field(factory=ExitStack)

    def hold(self, held: AbstractContextManager[T]) -> T:
        """Enter `held`; it is left when the client has its answer, or is gone."""
        return self._held.enter_context(held)


def current_call(scope: object) -> Call:
    """The call that an ASGI scope belongs to."""
    call: Call = cast(Scope, scope)[_KEY]
    return call


class Presence:
    """An ASGI callable around another: see above. `headers` go onto every response."""

    def __init__(self, inner: ASGIApp, headers: Headers = ()) -> None:
        self._inner = inner
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = Call()
        headers = [(b"request-id", call.request_id.encode()), *self._headers]

        async def send_on(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                with trio.move_on_after(_LAST_SEND, shield=True):
                    await send(message)
            else:
                await send(message)

        with call._held:  # noqa: SLF001 - its own file
            await self._inner({**scope, _KEY: call}, receive, send_on)
