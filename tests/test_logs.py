"""The log's lines: as text, and as JSON."""

import logging
import re

import orjson
import pytest

from trioproxy import logs


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("trioproxy.pool", logging.INFO, "pool.py", 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_text_line_has_time_level_and_message() -> None:
    line = logs.TextFormatter().format(record("[POOL] Destroyed connection %s", "abc123"))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO    \[POOL\] Destroyed connection abc123", line
    )


@pytest.mark.parametrize("forged", ["a\nERROR b", "a\r\nERROR b", "a\x1b[2Jb", "a\u2028b"])
def test_a_message_cannot_forge_another_line(forged: str) -> None:
    line = logs.TextFormatter().format(record("[API] %s", forged))
    assert line.splitlines() == [line]
    assert line.isprintable()


def test_a_text_line_keeps_letters_of_every_alphabet() -> None:
    assert logs.TextFormatter().format(record("größe 漢字")).endswith("größe 漢字")


def test_a_json_line_has_the_fields_and_the_request() -> None:
    token = logs.request_id.set("req_1")
    try:
        line = logs.JSONFormatter().format(record("[POOL] two\nlines %d", 2))
    finally:
        logs.request_id.reset(token)
    assert "\n" not in line
    fields = orjson.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "INFO",
        "logger": "trioproxy.pool",
        "message": "[POOL] two\nlines 2",
        "request_id": "req_1",
    }


def test_a_json_line_of_the_servers_own_work_names_no_request() -> None:
    assert "request_id" not in orjson.loads(logs.JSONFormatter().format(record("x")))


def test_a_json_line_holds_a_traceback() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    line = logs.JSONFormatter().format(record("failed", exc_info=info))
    assert "ValueError: why" in orjson.loads(line)["exception"]
