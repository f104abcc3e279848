"""What others say is cut and made printable where it is kept, logged, or put into a header."""

import logging

import pytest
import trio
from trio.testing import MockClock

from trioproxy.asgi_server import connection
from trioproxy.web.observe import notes, request_log
from trioproxy.web.observe.registry import RequestRecord, RequestRegistry

EVIL = "a\x1b[2J\u202eb"


def record(model: object) -> RequestRecord:
    made = RequestRecord("req_1", "POST", "/v1/messages", 0.0, model="as asked", ended_at=1.0)
    made.record_usage([{"type": "message_start", "message": {"model": model}}])
    return made


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("claude-x", "claude-x"),
        ("x" * 1_000_000, "x" * 256),
        (None, "as asked"),
        ([1], "as asked"),
    ],
)
def test_the_model_of_an_answer_is_a_name_whatever_a_gateway_says(
    model: object, kept: str
) -> None:
    assert record(model).model == kept


async def test_a_request_keeps_no_more_of_its_head_than_is_of_use(
    autojump_clock: MockClock,
) -> None:
    registry = RequestRegistry()
    with registry.record("req_1", "G" * 60_000, "/" + "x" * 60_000) as made:
        await trio.lowlevel.checkpoint()
    assert (len(made.method), len(made.path)) == (256, 256)


def test_the_line_of_a_request_is_printable(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trioproxy.requests")
    request_log.log(record(EVIL))
    (line,) = caplog.messages
    assert line.isprintable()
    assert r' model="a\u001b[2J\u202eb" ' in line


def test_what_comes_over_a_connection_is_logged_in_part(caplog: pytest.LogCaptureFixture) -> None:
    fault = UnicodeDecodeError("ascii", b"\xff" * 60_000, 0, 1, "ordinal not in range")
    connection._log(ExceptionGroup("of Hypercorn's", [fault]))
    (line,) = caplog.messages
    assert "UnicodeDecodeError('ascii', b'" in line
    assert len(line) < 200


@pytest.mark.parametrize("note", ["x" * 90, "🦉" * 9, "a\r\nx-evil: 1"])
def test_notes_are_a_header_that_a_client_can_read(note: str) -> None:
    header = notes.as_header(f"{note}{i}" for i in range(1000))
    assert header.isascii()
    assert header.isprintable()
    assert len(header) < 1_100
    assert header.endswith(" more")
    assert notes.as_header((note,)) == note.encode("unicode_escape").decode()


def test_a_note_that_is_too_long_is_only_counted() -> None:
    assert notes.as_header(("x" * 3000, "y")) == "and 2 more"
