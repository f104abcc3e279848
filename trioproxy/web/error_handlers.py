"""Errors as responses, in the shape of the dialect that was spoken."""

import logging
from typing import Any, cast

from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    RequestTimeout,
)

from trioproxy import errors
from trioproxy.dialects.json_checks import short
from trioproxy.errors import InternalError, InvalidRequest, TrioproxyError
from trioproxy.refusals import Refusal
from trioproxy.web.gate.context import current_context
from trioproxy.web.observe.registry import RequestRecord
from trioproxy.web.responses import as_error

logger = logging.getLogger("trioproxy.web")


def install(app: QuartTrio) -> None:
    """Answer every exception of a handler with an error of ours."""
    app.register_error_handler(Exception, respond)


async def respond(error: Exception) -> TrioResponse:  # noqa: ASYNC124 - or it takes a thread
    """The response that tells a caller of `error`."""
    record = current_context(request.scope).record
    known = noted(error, record)
    headers, body = as_error(known, cast(dict[str, Any], request.scope), record.id)
    response = TrioResponse(body, known.status)
    for name, value in headers:
        response.headers[name.decode()] = value.decode()
    return response


def noted(error: Exception, record: RequestRecord, *, has_begun: bool = False) -> TrioproxyError:
    """The error for the caller, logged and recorded.

    `has_begun`: part of the answer was already sent.
    """
    known = _known(error)
    record.failed(known)
    if has_begun:
        logger.warning("[API] %s broke off: %s", record.id, known.log_message)
    elif known.status >= 500:  # noqa: PLR2004 - the class of server errors
        logger.warning("[API] %s failed: %s %s", record.id, known.status, known.log_message)
    return known


def _known(error: Exception) -> TrioproxyError:
    if isinstance(error, TrioproxyError):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    logger.error("[API] A handler failed", exc_info=error)
    return InternalError("Internal error: see the server's log.")


def _of_http(error: HTTPException) -> TrioproxyError:
    match error:
        case NotFound():
            return errors.UnknownRoute(
                f"No such route: {short(request.method)} {short(request.path)}."
            )
        case MethodNotAllowed():
            methods = ", ".join(sorted(error.valid_methods or ()))
            return errors.MethodNotAllowed(
                f"{short(request.path)} supports {methods}, not {short(request.method)}.",
                allowed=error.valid_methods or (),
            )
        case RequestEntityTooLarge():
            limit = request.max_content_length
            return errors.BodyTooLarge(f"The body is longer than {limit} bytes.")
        case RequestTimeout():
            return errors.BodyTooSlow("The body did not arrive in time.")
        case _:
            return InvalidRequest(Refusal.FRAMING, error.description or error.name)
