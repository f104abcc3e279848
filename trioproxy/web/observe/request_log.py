"""One log line for each request that has ended: caller, route, times, tokens; no content.

With `[logging] bodies`, a second line has the bodies.
"""

import json
import logging
import re

from trioproxy.web.observe.registry import RequestRecord
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
_WORD = re.compile(r"[^\s=\"]+")

logger = logging.getLogger("trioproxy.requests")


def log(record: RequestRecord) -> None:
    """Write the line."""
    fields = fields_of(record)
    text = " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
    is_callers = table.audience(record.route) is Audience.CALLER
    level = logging.INFO if is_callers else logging.DEBUG
    logger.log(level, "[REQUEST] %s", text, extra={"fields": fields})


def _plain(value: str | float) -> str:
    """A value that cannot pass for several."""
    text = f"{value:.8f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text if _WORD.fullmatch(text) and text.isprintable() else json.dumps(text)


def log_bodies(record: RequestRecord) -> None:
    """Log the bodies of a request, if they are kept."""
    if record.bodies is not None and table.audience(record.route) is Audience.CALLER:
        asked, answered = (
            bytes(body).decode(errors="backslashreplace")
            for body in (record.bodies.asked, record.bodies.answered)
        )
        logger.info("[BODIES] id=%s asked=%s answered=%s", record.id, asked, answered)


def fields_of(record: RequestRecord) -> dict[str, str | int | float]:
    """The fields of a request's log line; unknown ones are left out.

    `refused`: why, and `at` which part of the request, without a word of the caller's.
    Times in seconds: from its beginning `first` to the first byte of the response's body, `waited`
    for a process, `total`; then `reset`, of the process. `cost`: in USD, as the CLI reckons it.
    `kept`, `replayed`: messages of the history that stood in the process, and that were written.
    """
    fields: dict[str, str | int | float | None] = {
        "id": record.id,
        "method": record.method if record.method in _METHODS else "other",
        "route": record.route,
        "status": record.status if record.status is not None else "none",
        "failure": record.failure or None,
        "refused": record.refusal.value if record.refusal else None,
        "at": record.refused_at or None,
        "token": record.caller or None,
        "model": record.model or None,
        "worker": record.worker or None,
        "total": _between(record.started_at, record.ended_at),
        "sent": record.sent,
        "first": _between(record.started_at, record.first_byte_at),
    }
    if (tokens := record.usage) is not None:
        fields["input_tokens"] = tokens.input
        fields["output_tokens"] = tokens.output
        fields["cache_read_tokens"] = tokens.cache_read
        fields["cache_write_tokens"] = tokens.cache_write
    if (timings := record.timings) is not None:
        fields["waited"] = _between(record.started_at, timings.assigned_at)
        fields["reset"] = _between(timings.reset_at, timings.done_at)
        fields["cost"] = timings.cost
        fields["kept"] = timings.kept or None
        fields["replayed"] = timings.replayed or None
    return {name: value for name, value in fields.items() if value is not None}


def _between(since: float | None, until: float | None) -> float | None:
    return None if since is None or until is None else round(max(0.0, until - since), 4)
