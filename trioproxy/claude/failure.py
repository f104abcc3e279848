"""What went wrong, from what the CLI says of it: pure.

An API error comes in a `result` line with the API's status and type, and a sentence of the CLI's
own around, or instead of, the API's message. The API's own words are on the CLI's error output,
which logs errors there (`command.py` asks it to):

    2026-11-21T03:14:08.538Z [ERROR] API error (attempt 1/1): 404 404 {"type":"error",...}
"""

import re
from collections.abc import Iterator

import orjson

from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, CliFailed, TrioproxyError

_NOT_LOGGED_IN = (
    "The Claude CLI is not logged in. Run `claude auth login` as the user that runs this server, "
    "or set ANTHROPIC_API_KEY in its environment, and restart it."
)

# What the CLI puts around the API's own message; the last part names the host it talks to.
_ADVICE = re.compile(
    r"^(Failed to authenticate\. )?API Error: (\d{3} )?(Request rejected \(\d{3}\) · )?"
    r"| This is a server-side issue, .*$",
    re.DOTALL,
)

_ERROR_STATUSES = range(400, 600)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

_LOGGED = re.compile(r"API error \(attempt (\d+)/(\d+)\): (\d{3}) .*?(\{.*\})")


def failure(result: Line) -> TrioproxyError:
    """The error of a failed `result` line: the API's, or the CLI's own."""
    text = str(result.get("result") or "; ".join(result.get("errors") or []))
    status = result.get("api_error_status")
    if isinstance(status, int) and status in _ERROR_STATUSES:
        kind = result.get("api_error_type") or _TYPES.get(status, "api_error")
        return ApiError(status, kind, _ADVICE.sub("", text))
    if text.startswith("Not logged in"):
        return ApiError(401, "authentication_error", _NOT_LOGGED_IN)
    if status is not None or result.get("terminal_reason") == "api_error":
        return ApiError(502, "api_error", text)
    return CliFailed("The CLI returned no model response.", detail=text)


def refusals(printed: str) -> Iterator[tuple[ApiError, str | None]]:
    """The errors of the API that the CLI has `printed`, last first, with the API's ids.

    Errors that it retries (`[claude] max_retries`) are not among them.
    """
    for attempt, attempts, status, body in reversed(_LOGGED.findall(printed)):
        try:
            logged = orjson.loads(body)
            kind, message = logged["error"]["type"], logged["error"]["message"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
        if attempt == attempts and isinstance(message, str):
            yield ApiError(int(status), str(kind), message), logged.get("request_id")


def in_its_own_words(error: ApiError, upstream_id: str | None, printed: str) -> ApiError | None:
    """`error` with the API's own message, if the CLI has `printed` it; else None.

    `upstream_id` is the API's id of the request: what was printed for another is not for this one.
    """
    for found, found_id in refusals(printed):
        is_this = upstream_id is None or found_id in {upstream_id, None}
        if found.status == error.status and is_this:
            return found
    return None
