"""Every error that a caller or an operator can see, by who causes it.

    TrioproxyError
    |-- CallerError             the caller's: another request would do
    |   |-- InvalidRequest          400 invalid_request_error
    |   |-- Unauthorized            401 authentication_error
    |   |-- Forbidden               403 permission_error
    |   |-- HeadTooLarge            431 request_too_large
    |   |-- BodyTooLarge            413 request_too_large
    |   |-- BodyTooSlow             408 timeout_error
    |   |-- UnsupportedEncoding     415 invalid_request_error
    |   |-- UnknownRoute            404 not_found_error
    |   |-- UnknownModel            404 not_found_error
    |   `-- MethodNotAllowed        405 invalid_request_error
    |-- CapacityError           nobody's: another moment would do
    |   |-- AcquireTimeout          503 overloaded_error
    |   |-- TooManyWaiting          429 rate_limit_error
    |   |-- TooManyRequests         429 rate_limit_error
    |   |-- UpstreamBusy            503 overloaded_error
    |   `-- PoolClosed              503 overloaded_error
    |-- CliError                the CLI's
    |   |-- CliNotFound             500 api_error
    |   |-- BootFailed              503 api_error
    |   |-- ProcessDied             500 api_error
    |   |-- ProcessStalled          504 timeout_error
    |   |-- WireError               500 api_error
    |   `-- CliFailed               500 api_error
    |-- ApiError                the API's: status, type and message as it gave them
    |-- UpstreamError           an upstream's, or the way to it: 502 api_error
    |   |-- UpstreamFailed          502 api_error
    |   `-- UpstreamTimeout         504 timeout_error
    |-- TurnTimeout             the model's, or nobody's: 504 timeout_error
    |-- NotConfigured           the operator's: 501 api_error
    `-- InternalError           ours: 500 api_error

Each carries the HTTP status and the Anthropic error type that a caller sees; the dialects put
them into their own shapes. A `CallerError` also carries why the request is refused: see
refusals.py. Types and statuses: https://docs.anthropic.com/en/api/errors.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypeAlias

from trioproxy.refusals import Category, Refusal

BootCause: TypeAlias = Literal["not started", "exited", "killed", "silent", "short-lived"]
"""Why a process is not there: the system could not start it, it ended or wrote what it should not,
a signal ended it, it did not answer, or it ended soon afterwards."""

_LONGEST_LOGGED = 4_000  # characters


class TrioproxyError(Exception):
    """An error with a message for the caller, an HTTP status and an API error type.

    `retry_after`: whole seconds after which another try makes sense, or None. `details`: what a
    program may want to know beside the message, as the API has it.
    """

    status: int = 500
    type: str = "api_error"
    retry_after: int | None = None
    detail: str = ""
    details: Mapping[str, Any] | None = None

    @property
    def message(self) -> str:
        """What happened and what to do, in a sentence or two: for the caller."""
        return str(self)

    def again(self) -> Self:
        """The same error as an exception of its own.

        For each request that has to raise it: an exception holds on to all that it is raised
        through, and with it the request.
        """
        other = type(self).__new__(type(self), *self.args)
        vars(other).update(vars(self))
        return other

    @property
    def log_message(self) -> str:
        """The message for the operator, with `detail`, which may quote the CLI's output.

        At most 4,000 characters, its beginning and its end: the reason often comes last.
        """
        text = f"{self} {self.detail}".rstrip()
        if len(text) <= _LONGEST_LOGGED:
            return text
        half = _LONGEST_LOGGED // 2
        return f"{text[:half]} ... {text[-half:]}"


class CallerError(TrioproxyError):
    """The request is invalid, and has reached no process. `refusal`: the reason."""

    status = 400
    type = "invalid_request_error"
    refusal: Refusal


class InvalidRequest(CallerError):
    """The request cannot be served as it is.

    `path` says where the fault is: `messages.0.role`; empty for the whole body. Where the reason
    is this server's and not the API's, the message ends with what the caller can do. `unknown`:
    the caller's own name for a field there, which this server does not know.
    """

    def __init__(
        self,
        refusal: Refusal,
        reason: str,
        *,
        path: str = "",
        unknown: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        names = ["*" if name.isdigit() else name for name in path.split(".")] if path else []
        self.place = ".".join([*names, *(["?"] if unknown else [])])
        """`path` for the log and for metrics: an index is `*`, a name of the caller's `?`."""
        self.parent, self.unknown = path, unknown
        path = ".".join(filter(None, (path, unknown)))
        advice = refusal.advice if refusal.category is not Category.API else ""
        text = f"{reason}. {advice}" if advice else reason
        super().__init__(f"{path}: {text}" if path else text)
        self.refusal = refusal
        self.reason = reason
        self.path = path
        self.details = details


class Unauthorized(CallerError):
    """The request has no token of `[auth] tokens`."""

    status = 401
    type = "authentication_error"
    refusal = Refusal.UNAUTHORIZED


class Forbidden(CallerError):
    """The request comes from a page of another site, or names another host."""

    status = 403
    type = "permission_error"
    refusal = Refusal.FORBIDDEN


class HeadTooLarge(CallerError):
    """The head is longer than `[server] max_header_size`."""

    status = 431
    type = "request_too_large"
    refusal = Refusal.HEAD_TOO_LARGE


class BodyTooLarge(CallerError):
    """The body is longer than `[server] max_body_size`."""

    status = 413
    type = "request_too_large"
    refusal = Refusal.BODY_TOO_LARGE


class BodyTooSlow(CallerError):
    """The body did not arrive within `[server] body_timeout`."""

    status = 408
    type = "timeout_error"
    refusal = Refusal.BODY_TOO_SLOW


class UnsupportedEncoding(CallerError):
    """The body has an unsupported Content-Encoding. The message lists the supported ones."""

    status = 415
    refusal = Refusal.CONTENT_ENCODING


class UnknownRoute(CallerError):
    """No such route: this path."""

    status = 404
    type = "not_found_error"
    refusal = Refusal.UNKNOWN_ROUTE


class UnknownModel(CallerError):
    """There is no model of this name."""

    status = 404
    type = "not_found_error"
    refusal = Refusal.UNKNOWN_MODEL


class MethodNotAllowed(CallerError):
    """The path is served, with another method; `allowed` names those."""

    status = 405
    refusal = Refusal.METHOD_NOT_ALLOWED

    def __init__(self, message: str, *, allowed: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.allowed = sorted(allowed)


class CapacityError(TrioproxyError):
    """The pool cannot take this request now."""

    status = 503
    type = "overloaded_error"
    retry_after = 1


class AcquireTimeout(CapacityError):
    """All processes stayed busy for `acquire_timeout`."""


class TooManyWaiting(CapacityError):
    """`max_waiting` requests wait for a process already."""

    status = 429
    type = "rate_limit_error"


class TooManyRequests(CapacityError):
    """A token has reached `max_concurrent` or `max_per_minute`."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamBusy(CapacityError):
    """All connections to an upstream stayed busy for `[http_pool] pool_timeout`."""


class PoolClosed(CapacityError):
    """The server is stopping."""


class CliError(TrioproxyError):
    """The Claude CLI failed.

    What it printed goes to the log only: it may concern another request, or this machine.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class CliNotFound(CliError):
    """The CLI was not found. The message lists the places searched."""


class BootFailed(CliError):
    """A process did not start. `detail` has what it printed, and `cause` which way it failed."""

    status = 503
    retry_after = 5

    def __init__(self, message: str, *, cause: BootCause = "exited", detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.cause = cause


class ProcessDied(CliError):
    """A process ended unexpectedly."""


class ProcessStalled(CliError):
    """A process did not answer within its deadline, and was killed."""

    status = 504
    type = "timeout_error"


class WireError(CliError):
    """A process wrote a line that its protocol does not allow."""


class CliFailed(CliError):
    """The CLI itself reported a failure that is not the API's."""


class ApiError(TrioproxyError):
    """The API refused or failed: its own status, type and message."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.type = error_type


class UpstreamError(TrioproxyError):
    """An upstream sent no response, or an incomplete one.

    `cause`: which way it failed, one of `trioproxy.forward.connection.CAUSES`.
    """

    status = 502

    def __init__(
        self, message: str, *, upstream: str = "", cause: str = "", detail: str = ""
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.detail = detail  # for the log alone: it may quote the upstream, and where it is
        if upstream:
            self.details = {"upstream": upstream, "cause": cause}


class UpstreamFailed(UpstreamError):
    """It could not be reached, closed the connection, or sent an invalid response."""


class UpstreamTimeout(UpstreamError):
    """It exceeded one of the timeouts of `[http_pool]`."""

    status = 504
    type = "timeout_error"


class NotConfigured(TrioproxyError):
    """A setting that this needs is missing. The message names it."""

    status = 501


class TurnTimeout(TrioproxyError):
    """The model's answer did not begin, go on or end within its deadline."""

    status = 504
    type = "timeout_error"


class InternalError(TrioproxyError):
    """A fault of this server. The log has the traceback."""
