"""Which headers go on, and how long a body is."""

import pytest

from trioproxy.errors import InvalidRequest
from trioproxy.forward.headers import (
    ClientAddress,
    Header,
    has_body,
    incoming,
    is_event_stream,
    outgoing,
)

CALLER = ClientAddress("192.0.2.1", "http", "1.1", "req_1")
ADDED = [
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"x-forwarded-proto", b"http"),
]
OURS = [(b"x-request-id", b"req_1")]


def sent(*headers: Header, http_version: str = "1.1") -> list[Header]:
    caller = ClientAddress("192.0.2.1", "http", http_version, "req_1")
    return outgoing(headers, "up.example", caller)


def test_what_a_caller_says_goes_on_in_its_order_behind_the_host() -> None:
    text = ((b"accept", b"*/*"), (b"cookie", b"a"), (b"x-api-key", b"k"), (b"cookie", b"b"))
    assert sent(*text) == [(b"host", b"up.example"), *text, *ADDED, *OURS]


@pytest.mark.parametrize(
    "name",
    [
        b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"upgrade", b"http2-settings", b"expect", b"x-forwarded-host",
        b"x-forwarded-proto",
    ],
)  # fmt: skip
def test_what_ends_here(name: bytes) -> None:
    assert sent((name, b"x")) == [(b"host", b"up.example"), *ADDED, *OURS]


def test_what_connection_names_ends_here_too() -> None:
    text = ((b"connection", b"X-Mine, close"), (b"x-mine", b"1"), (b"close", b"2"), (b"b", b"3"))
    assert sent(*text) == [(b"host", b"up.example"), (b"b", b"3"), *ADDED, *OURS]


def test_naming_the_length_does_not_take_it_away() -> None:
    text = ((b"connection", b"content-length, host"), (b"content-length", b"3"))
    assert (b"content-length", b"3") in sent(*text)


def test_the_way_here_is_told() -> None:
    got = sent((b"host", b"proxy:8000"), (b"x-forwarded-for", b"198.51.100.7"))
    assert (b"x-forwarded-for", b"198.51.100.7, 192.0.2.1") in got
    assert (b"x-forwarded-host", b"proxy:8000") in got
    assert [value for name, value in got if name == b"host"] == [b"up.example"]


def test_a_callers_own_request_id_stays() -> None:
    got = sent((b"x-request-id", b"mine"))
    assert [value for name, value in got if name == b"x-request-id"] == [b"mine"]


def test_a_body_is_framed_as_it_was_understood() -> None:
    assert (b"content-length", b"12") in sent((b"content-length", b"12"))
    assert (b"content-length", b"7") in sent((b"content-length", b"7"), (b"content-length", b"7"))
    chunked = sent((b"transfer-encoding", b"Chunked "))
    assert [header for header in chunked if header[0] == b"transfer-encoding"] == [
        (b"transfer-encoding", b"chunked")
    ]


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([(b"transfer-encoding", b"chunked"), (b"content-length", b"3")], "1.1"),
        ([(b"content-length", b"3"), (b"transfer-encoding", b"identity")], "1.1"),
        ([(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "1.1"),
        ([(b"transfer-encoding", b"gzip, chunked")], "1.1"),
        ([(b"transfer-encoding", b"xchunked")], "1.1"),
        ([(b"transfer-encoding", b"chunked")], "1.0"),
        ([(b"content-length", b"3"), (b"content-length", b"4")], "1.1"),
        ([(b"content-length", b"+3")], "1.1"),
        ([(b"content-length", b"3, 3")], "1.1"),
        ([(b"content-length", b"0x3")], "1.1"),
        ([(b"content-length", b"")], "1.1"),
        ([(b"content-length", b"-1")], "1.1"),
    ],
)
def test_a_length_that_two_servers_could_understand_in_two_ways(
    headers: list[Header], version: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"transfer-encoding: |content-length: "):
        sent(*headers, http_version=version)


def test_which_requests_have_a_body() -> None:
    assert has_body([(b"transfer-encoding", b"chunked")])
    assert has_body([(b"content-length", b"10")])
    assert not has_body([(b"content-length", b"0")])
    assert not has_body([(b"accept", b"*/*")])


def test_an_answers_headers_go_on_but_for_those_of_this_hop() -> None:
    kept = [
        (b"content-type", b"a/b"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-encoding", b"gzip"),
        (b"request-id", b"req_up"),
    ]
    dropped = [
        (b"connection", b"close, x-hop"),
        (b"x-hop", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-authenticate", b"Basic"),
        (b"trailer", b"x"),
        (b"upgrade", b"h2c"),
        (b"date", b"now"),
        (b"server", b"up"),
    ]
    assert incoming([*dropped, *kept]) == kept
    assert incoming([(b"content-length", b"5")]) == [(b"content-length", b"5")]
    assert incoming([(b"transfer-encoding", b"chunked"), (b"content-length", b"5")]) == []


def test_event_streams() -> None:
    assert is_event_stream(b"Text/Event-Stream; charset=utf-8")
    assert not is_event_stream(b"application/json")
