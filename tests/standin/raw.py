"""HTTP by hand, to see what is really on the wire."""

import json
from typing import Any

import trio

END = b"0\r\n\r\n"
"""The last, empty chunk of a body that is complete."""


async def connect(base_url: str) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(base_url.rpartition(":")[2]))


def post(body: dict[str, Any], *headers: str, version: str = "1.1") -> bytes:
    content = json.dumps(body).encode()
    lines = [
        f"POST /v1/messages HTTP/{version}",
        "host: localhost",
        f"content-length: {len(content)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    """What comes up to `end`, or up to the end of the stream."""
    read = bytearray()
    while not read.endswith(end):
        some = await stream.receive_some()
        if not some:
            break
        read += some
    return bytes(read)


async def read_all(stream: trio.SocketStream) -> bytes:
    """What comes before the server closes the connection."""
    return b"".join([bytes(some) async for some in stream])
