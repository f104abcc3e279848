"""Messages and their blocks, in few words."""

import base64
import zlib
from typing import Any


def text(message: str, **fields: object) -> dict[str, Any]:
    return {"type": "text", "text": message, **fields}


def user(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": [text(c) if isinstance(c, str) else c for c in content]}


def assistant(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def use(name: str, tool: str = "get_weather", **inputs: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": tool, "input": inputs}


def result(name: str, content: object = "sunny", **fields: object) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": content, **fields}


def png(size: int) -> str:
    """A grey square, `size` pixels wide."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + check

    head = size.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x80" * size) * size)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(body).decode()


def image(size: int = 1) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": png(size)}
    return {"type": "image", "source": source}


def document(**source: object) -> dict[str, Any]:
    return {"type": "document", "source": source}
