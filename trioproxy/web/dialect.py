"""Which dialect a caller speaks, by the path and the headers of its request."""

from collections.abc import Callable, Iterable
from typing import Any

from trioproxy.dialects.anthropic import request as anthropic
from trioproxy.dialects.openai import errors as openai
from trioproxy.errors import TrioproxyError

_ANTHROPICS = ("/v1/messages", "/v1/capabilities")


def is_openai(path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the caller expects OpenAI's shapes."""
    if path.startswith(("/openai/", "/anthropic/")):
        return path.startswith("/openai/")
    if not path.startswith("/v1/") or path.startswith(_ANTHROPICS):
        return False
    return not any(name.lower() == b"anthropic-version" for name, _ in headers)


def error_body_for(scope: dict[str, Any]) -> Callable[[TrioproxyError, str], dict[str, Any]]:
    """What makes the body of an error for the caller of an ASGI scope."""
    return (
        openai.error_body if is_openai(scope["path"], scope["headers"]) else anthropic.error_body
    )
