"""Bodies of requests, in few words."""

from typing import Any

from tests.real.servers import MODEL


def body(text: str = "hello", **more: Any) -> dict[str, Any]:
    sent = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": 100, "messages": sent, **more}
