"""How the server logs: standard `logging`, to standard error, as text or as JSON lines.

One logger for each layer: `trioproxy.app`, `trioproxy.web`, `trioproxy.pool`,
`trioproxy.forward`, `trioproxy.standin`; and `trioproxy.requests` for the line of each request.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TypeAlias

import orjson

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that the current task works for; empty for the server's own work."""


_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Log to standard error, unless whoever embeds the app has set up something else."""
    package = logging.getLogger("trioproxy")
    package.setLevel(level)
    if not package.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter() if style == "json" else TextFormatter())
        package.addHandler(handler)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00,000 INFO    [POOL] ...`, one line a record."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record's line; a message cannot forge another one."""
        message = _one_line(record.getMessage())
        changes = {"msg": message, "args": None, "exc_text": None}  # another formatter's
        shown = logging.makeLogRecord({**record.__dict__, **changes})
        return super().format(shown)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's name
        """The traceback's lines, indented: what an error quotes cannot pass for a log line."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"  {_one_line(line)}" for line in lines)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class JSONFormatter(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `message`, `request_id`, `exception`.

    The line of a request has its values as fields too.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get():
            fields["request_id"] = request_id.get()
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        line = orjson.dumps(fields).decode()
        # JSON leaves some characters that end a line, or move a terminal's cursor: U+2028, U+009B.
        if line.isprintable():
            return line
        return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
