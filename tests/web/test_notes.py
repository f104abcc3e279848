"""Notes of what was mended, and reasons of what was refused: who sees which."""

import logging

import pytest

from trioproxy.errors import InvalidRequest, Unauthorized
from trioproxy.refusals import Refusal
from trioproxy.web.observe.notes import NotesLog, as_header, product
from trioproxy.web.observe.registry import RequestRecord
from trioproxy.web.observe.request_log import fields_of


def record(*notes: str, client: str = "claude-cli", token: str = "") -> RequestRecord:
    return RequestRecord(
        "req_1", "POST", "/v1/messages", 0.0, client=client, caller=token, notes=notes
    )


def test_a_header_has_each_kind_once_with_its_count() -> None:
    assert as_header(["moved", "left out", "moved", "moved"]) == "moved (3); left out"


def test_a_header_is_short_however_much_was_mended() -> None:
    header = as_header([f"{i} {'x' * 90}" for i in range(50)])
    assert len(header) < 1100
    assert header.endswith("; and 40 more")


def test_a_header_is_one_line_of_ascii() -> None:
    assert as_header(["a\r\nset-cookie: b\u2028é"]) == "a\\r\\nset-cookie: b\\u2028\\xe9"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("claude-cli/2.1.332 (external, cli)", "claude-cli"),
        ("AsyncAnthropic/Python 2.11.0", "AsyncAnthropic"),
        ("curl", "curl"),
        ("", ""),
        ("x" * 41, ""),
        ("\x1b[31mred/1", ""),
        ("(Mozilla)", ""),
    ],
)
def test_a_client_is_known_by_the_name_of_its_product(user_agent: str, name: str) -> None:
    assert product(user_agent) == name


def levels(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_kind_is_for_everyday_eyes_once_for_each_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "trioproxy.web")
    log = NotesLog()
    log.log(record("moved", "moved"))
    log.log(record("moved", "left out"))
    log.log(record("moved", client="codex"))
    log.log(record("moved", token="alice"))
    log.log(record(client=""))
    assert levels(caplog) == [
        ("INFO", "[API] req_1: claude-cli: moved (2)"),
        ("DEBUG", "[API] req_1: claude-cli: moved"),
        ("INFO", "[API] req_1: claude-cli: left out"),
        ("INFO", "[API] req_1: codex: moved"),
        ("INFO", "[API] req_1: claude-cli: moved"),
    ]


def test_what_is_remembered_of_clients_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "trioproxy.web")
    log = NotesLog()
    for i in range(1001):
        log.log(record("moved", client=f"c{i}"))
    caplog.clear()
    log.log(record("moved", client="c1000"))
    log.log(record("moved", client="c0"))
    assert [level for level, _ in levels(caplog)] == ["DEBUG", "INFO"]


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (
            InvalidRequest(Refusal.EMPTY, "x", path="messages.12.content.0.text"),
            "messages.*.content.*.text",
        ),
        (
            InvalidRequest(Refusal.UNKNOWN_FIELD, "x", path="messages.0", unknown="my.own secret"),
            "messages.*.?",
        ),
        (InvalidRequest(Refusal.UNKNOWN_PARAMETER, "x", unknown="a.secret"), "?"),
        (InvalidRequest(Refusal.QUERY, "x", unknown="secret"), "?"),
        (InvalidRequest(Refusal.NOT_JSON, "x"), ""),
    ],
)
def test_a_place_has_no_word_of_the_callers(error: InvalidRequest, place: str) -> None:
    assert error.place == place


def test_a_refused_requests_line_says_why_and_where() -> None:
    refused = record()
    refused.failed(InvalidRequest(Refusal.WRONG_TYPE, "must be a list", path="messages.0.content"))
    fields = fields_of(refused)
    assert (fields["refused"], fields["at"]) == ("wrong_type", "messages.*.content")
    refused.failed(Unauthorized("A token is wanted."))
    fields = fields_of(refused)
    assert (fields["refused"], "at" in fields) == ("unauthorized", False)
