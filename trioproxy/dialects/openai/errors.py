"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

import re
from typing import Any

from trioproxy.errors import ApiError, InvalidRequest, TrioproxyError, UnknownModel

_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
    504: ("server_error", "timeout"),
    529: ("server_error", "overloaded"),
}
_FIRST_SERVER_ERROR = 500
_INDEX = re.compile(r"\.(\d+)(?=\.|$)")


def error_body(error: TrioproxyError, _request_id: str) -> dict[str, Any]:
    """The body of an error; the request's id is in a header."""
    return {"error": error_fields(error)}


def error_fields(error: TrioproxyError) -> dict[str, Any]:
    """An error's message, type, parameter and code."""
    is_ours = error.status >= _FIRST_SERVER_ERROR
    usual = ("server_error", "server_error") if is_ours else ("invalid_request_error", None)
    kind, code = _TYPES.get(error.status, usual)
    param = None
    if isinstance(error, InvalidRequest) and error.path:
        param = _INDEX.sub(r"[\1]", error.path)
    if isinstance(error, UnknownModel) or (isinstance(error, ApiError) and code == "not_found"):
        param, code = "model", "model_not_found"
    return {"message": error.message, "type": kind, "param": param, "code": code}
