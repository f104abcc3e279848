"""Whether a request may be sent again.

Only where the upstream cannot have acted on it: there was no connection; or the method is
idempotent (RFC 9110, 9.2.2); or its body was not begun, and no server acts on half a request.
"""

# A connection that never was.
NOT_CONNECTED = frozenset({"connect", "connect_timeout"})
# One that ended without a byte of an answer: the upstream closed it while it was idle, most often.
_LOST = "lost"

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def may_retry(cause: str, method: str, *, has_body: bool, is_begun: bool, is_whole: bool) -> bool:
    """Whether to try again.

    `is_begun`: something of the body was taken; `is_whole`: all that was taken is still there.
    """
    if is_begun and not is_whole:
        return False
    if cause in NOT_CONNECTED:
        return True
    if cause != _LOST:
        return False
    return method in _IDEMPOTENT or (has_body and not is_begun)
