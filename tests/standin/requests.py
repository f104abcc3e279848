"""Bodies of requests."""

from typing import Any

MODEL = "claude-x"


def asking(text: str, **more: Any) -> dict[str, Any]:
    """A request of one message."""
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": 10_000, "messages": messages, **more}


def streaming(text: str, **more: Any) -> dict[str, Any]:
    return asking(text, stream=True, **more)
