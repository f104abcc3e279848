"""Errors in the shape of the Messages API.

Source: https://docs.anthropic.com/en/api/errors.
"""

from typing import Any

from trioproxy.errors import TrioproxyError


def error_body(error: TrioproxyError, request_id: str) -> dict[str, Any]:
    """The API's shape of an error, which is also its `error` event."""
    shown: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.details is not None:
        shown["details"] = error.details
    return {"type": "error", "error": shown, "request_id": request_id}
