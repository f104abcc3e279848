"""Which dialect a caller speaks, by the path and the headers of its request."""

from collections.abc import Callable, Iterable
from typing import Any

from trioproxy.dialects.anthropic import errors as anthropic
from trioproxy.dialects.openai import errors as openai
from trioproxy.errors import TrioproxyError
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Dialect


def is_openai(path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the caller expects OpenAI's shapes."""
    dialect = table.dialect(path)
    if dialect is Dialect.SHARED:
        return not any(name.lower() == b"anthropic-version" for name, _ in headers)
    return dialect is Dialect.OPENAI


def error_body_for(scope: dict[str, Any]) -> Callable[[TrioproxyError, str], dict[str, Any]]:
    """What makes the body of an error for the caller of an ASGI scope."""
    return (
        openai.error_body if is_openai(scope["path"], scope["headers"]) else anthropic.error_body
    )
