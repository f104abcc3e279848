"""The types of ASGI, and what an app of ours does with scopes that are not HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def reject_websocket(receive: Receive, send: Send) -> None:
    """Answer a WebSocket's opening handshake with a 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})


def http_only(app: ASGIApp) -> ASGIApp:
    """`app` for `http` scopes; WebSockets are rejected. For a server without a lifespan."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
        else:
            await reject_websocket(receive, send)

    return serve
