"""One line for each request that has ended: who, what, how long, how much; never what was said.

But for `[logging] bodies`: then a second line has that, as far as it is kept.
"""

import json
import logging
import re

from trioproxy.web.book import Entry, is_operators

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
_WORD = re.compile(r"[^\s=\"]+")

logger = logging.getLogger("trioproxy.requests")


def log(entry: Entry) -> None:
    """Write the line."""
    fields = fields_of(entry)
    text = " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
    level = logging.DEBUG if is_operators(entry.route) else logging.INFO
    logger.log(level, "[REQUEST] %s", text, extra={"fields": fields})


def _plain(value: str | float) -> str:
    """A value that cannot pass for several."""
    text = f"{value:.8f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text if _WORD.fullmatch(text) and text.isprintable() else json.dumps(text)


def log_bodies(entry: Entry) -> None:
    """Write what was said, where the operator wants to see it."""
    if entry.bodies is not None and not is_operators(entry.route):
        asked, answered = (
            bytes(body).decode(errors="backslashreplace")
            for body in (entry.bodies.asked, entry.bodies.answered)
        )
        logger.info("[BODIES] id=%s asked=%s answered=%s", entry.id, asked, answered)


def fields_of(entry: Entry) -> dict[str, str | int | float]:
    """What is known of a request, by the names of the log; what is not there is left out.

    `refused`: why, and `at` which part of the request, without a word of the caller's.
    Times in seconds: from its beginning `first` to the first byte of the response's body, `waited`
    for a process, `total`; then `reset`, of the process. `cost`: in USD, as the CLI reckons it.
    """
    fields: dict[str, str | int | float | None] = {
        "id": entry.id,
        "method": entry.method if entry.method in _METHODS else "other",
        "route": entry.route,
        "status": entry.status if entry.status is not None else "none",
        "failure": entry.failure or None,
        "refused": entry.refusal.value if entry.refusal else None,
        "at": entry.refused_at or None,
        "token": entry.token or None,
        "model": entry.model or None,
        "worker": entry.worker or None,
        "total": _between(entry.begun, entry.ended),
        "sent": entry.sent,
        "first": _between(entry.begun, entry.first_byte),
    }
    if (tokens := entry.tokens) is not None:
        fields["input_tokens"] = tokens.input
        fields["output_tokens"] = tokens.output
        fields["cache_read_tokens"] = tokens.cache_read
        fields["cache_write_tokens"] = tokens.cache_write
    if (course := entry.course) is not None:
        fields["waited"] = _between(entry.begun, course.taken)
        fields["reset"] = _between(course.resetting, course.settled)
        fields["cost"] = course.cost
    return {name: value for name, value in fields.items() if value is not None}


def _between(since: float | None, until: float | None) -> float | None:
    return None if since is None or until is None else round(max(0.0, until - since), 4)
