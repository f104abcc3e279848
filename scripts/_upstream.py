"""An upstream to be asked through a proxy, by HTTP and by HTTPS: as quick as it can be.

    python _upstream.py PORT TLS_PORT CERTIFICATE

A port of 0 is any that is free; `{"plain": PORT, "tls": PORT}` is told when it listens. It looks
at the path alone, and knows requests without a body. What each path gets, see `_ANSWERS`.
"""

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Callable

from _child import end_with_script, tell

LENGTH = 2048  # bytes of each body
HOLD = 0.05  # seconds

_BODY = b"0123456789abcdef" * (LENGTH // 16)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % LENGTH
_ANSWER = _HEAD + _BODY
_UNKNOWN = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_BY_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: nothing is to be sent any more
_BACKLOG = 2048


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            _ANSWERS.get(head.split(b" ", 2)[1], _Connection.unknown)(self)

    def instant(self) -> None:
        self._transport.write(_ANSWER)

    def held(self) -> None:
        asyncio.get_running_loop().call_later(HOLD, self._transport.write, _ANSWER)

    def close(self) -> None:
        self._transport.close()

    def break_off(self) -> None:
        self._transport.write(_ANSWER[: -LENGTH // 2])
        # A reset at once could overtake the half that is on its way.
        asyncio.get_running_loop().call_later(HOLD, self._reset)

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BY_RESET)
        self._transport.abort()

    def garbage(self) -> None:
        self._transport.write(b"There is no HTTP here.\r\n\r\n")

    def hang(self) -> None:
        pass

    def unknown(self) -> None:
        self._transport.write(_UNKNOWN)


_ANSWERS: dict[bytes, Callable[[_Connection], None]] = {
    b"/instant": _Connection.instant,
    b"/held": _Connection.held,
    b"/close": _Connection.close,
    b"/break-off": _Connection.break_off,
    b"/garbage": _Connection.garbage,
    b"/hang": _Connection.hang,
}


async def serve(port: int, tls_port: int, certificate: str) -> None:
    """Answer until the end of the process."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    plain = await _listen(port, None)
    tls = await _listen(tls_port, context)
    tell({"plain": _port_of(plain), "tls": _port_of(tls)})
    await asyncio.gather(plain.serve_forever(), tls.serve_forever())


async def _listen(port: int, context: ssl.SSLContext | None) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        _Connection, "127.0.0.1", port, ssl=context, backlog=_BACKLOG, reuse_address=True
    )


def _port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    end_with_script()
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
