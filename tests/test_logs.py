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


def raised(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError as error:
        return record("failed", exc_info=(ValueError, error, error.__traceback__))


@pytest.mark.parametrize("forged", ["a\n2026 ERROR b", "a\r\nERROR b", "a\x1b[2Jb", "a\u2028b"])
def test_a_traceback_cannot_forge_a_line(forged: str) -> None:
    made = raised(forged)
    made.exc_text = "what another formatter has made of it"
    first, *others = logs.TextFormatter().format(made).split("\n")
    assert first.endswith("failed")
    assert others[0] == "  Traceback (most recent call last):"
    assert "  ValueError: a" in "\n".join(others)
    assert all(line.startswith("  ") and line.isprintable() for line in others)


@pytest.mark.parametrize(
    "text", ["a\x9b2Jb", "a\u2028b", "a\x7fb", "a\u202eb", "\U000e0001", "größe 漢🦉"]
)
def test_a_json_line_is_printable_and_loses_nothing(text: str) -> None:
    line = logs.JSONFormatter().format(record("[API] %s", text))
    assert line.isprintable()
    assert orjson.loads(line)["message"] == f"[API] {text}"
    assert ("größe 漢🦉" in line) == (text == "größe 漢🦉")


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
    line = logs.JSONFormatter().format(raised("why"))
    assert "ValueError: why" in orjson.loads(line)["exception"]
