"""What of a program's conversations could have stood in the processes: pure."""

from collections.abc import Sequence
from typing import Any

from trioproxy.standin import RecordedRequest
from trioproxy.standin.bodies import Body

_OWN_SYSTEM = 2  # blocks of the CLI's own before the prompt


def keepable(asked: Sequence[RecordedRequest]) -> int:
    """How many messages of the requests stood before the last plain one of an earlier request."""
    bodies = [request.body for request in asked]
    return sum(
        max((_shared(body, earlier) for earlier in bodies[:at]), default=0)
        for at, body in enumerate(bodies)
    )


def _shared(body: Body, earlier: Body) -> int:
    if _context(body) != _context(earlier):
        return 0
    stood = earlier["messages"][: _last_plain(earlier["messages"])]
    count = 0
    for standing, other in zip(stood, body["messages"][:-1], strict=False):
        if standing != other:
            break
        count += 1
    return count if count == len(stood) else _last_plain(stood[: count + 1])


def _context(body: Body) -> list[Any]:
    texts = [block["text"] for block in body["system"][_OWN_SYSTEM:]]
    return [texts, *(body.get(name) for name in ("model", "thinking", "output_config"))]


def _last_plain(messages: Sequence[Any]) -> int:
    plain = [at for at, message in enumerate(messages) if _is_plain(message)]
    return plain[-1] if plain else 0


def _is_plain(message: Any) -> bool:
    blocks = message["content"]
    results = isinstance(blocks, list) and any(b.get("type") == "tool_result" for b in blocks)
    return message["role"] == "user" and not results
