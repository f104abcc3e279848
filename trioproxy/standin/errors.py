"""The errors of the Anthropic API, in its own words.

Source: https://docs.anthropic.com/en/api/errors
"""

from typing import Any

import attrs

ERRORS = {
    400: ("invalid_request_error", "Invalid request"),
    401: ("authentication_error", "Invalid API key"),
    403: ("permission_error", "Not allowed"),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit"),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
"""For each status, the error's type and what it says when the caller has no better words."""


def request_id(number: int) -> str:
    """What the header `request-id` says of the request with that number."""
    return f"req_standin_{number:06d}"


def _usual_message(error: "ApiError") -> str:
    return ERRORS[error.status][1]


@attrs.frozen
class ApiError(Exception):
    """An answer of the API that is an error; `status` is one of `ERRORS`."""

    status: int = attrs.field(validator=attrs.validators.in_(ERRORS))
    message: str = attrs.field(default=attrs.Factory(_usual_message, takes_self=True))

    def __str__(self) -> str:
        return f"{self.status} {ERRORS[self.status][0]}: {self.message}"

    def body(self, number: int) -> dict[str, Any]:
        """The JSON of it: the body of an HTTP answer, or the data of an `error` event."""
        return {
            "type": "error",
            "error": {"type": ERRORS[self.status][0], "message": self.message},
            "request_id": request_id(number),
        }
