import json
from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from trioproxy.claude import wire
from trioproxy.claude.wire import Line, LineDecoder
from trioproxy.errors import WireError

ROOMY = 1_000_000


def lines_of(*chunks: bytes, max_line_size: int = ROOMY) -> list[Line]:
    """What a new decoder makes of these reads."""
    decoder = LineDecoder(max_line_size)
    return [line for chunk in chunks for line in decoder.feed(chunk)]


# -- Decoding: where the pipe cuts makes no difference ----------------------------------------


@frozen
class Stream:
    """Bytes from the CLI and the `n` of each line in them."""

    name: str
    data: bytes
    expected: list[object]


def numbered(n: object) -> bytes:
    return b'{"type":"x","n":%b}' % json.dumps(n).encode()


ONE, TWO, THREE = numbered(1), numbered(2), numbered(3)

STREAMS = [
    Stream("one line", ONE + b"\n", [1]),
    Stream("several lines", ONE + b"\n" + TWO + b"\n" + THREE + b"\n", [1, 2, 3]),
    Stream("empty lines", b"\n\n" + ONE + b"\n\n\n" + TWO + b"\n\n", [1, 2]),
    Stream("lines of white space", b"  \n" + ONE + b"\n\t\r\n" + TWO + b"\n", [1, 2]),
    Stream("CRLF", ONE + b"\r\n" + TWO + b"\r\n", [1, 2]),
    Stream("a line without its newline yet", ONE + b"\n" + TWO, [1]),
    Stream("characters of several bytes", '{"type":"x","n":"é€😀"}\n'.encode(), ["é€😀"]),
    Stream("an escaped newline in a text", b'{"type":"x","n":"a\\nb"}\n', ["a\nb"]),
    Stream(
        "raw U+2028 and U+2029", '{"type":"x","n":"\u2028\u2029"}\n'.encode(), ["\u2028\u2029"]
    ),
    Stream("nothing", b"", []),
]
stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda case: case.name)


@stream
def test_a_stream_in_one_read(stream: Stream) -> None:
    assert [line["n"] for line in lines_of(stream.data)] == stream.expected


@stream
def test_a_stream_byte_by_byte(stream: Stream) -> None:
    single = [stream.data[i : i + 1] for i in range(len(stream.data))]
    assert [line["n"] for line in lines_of(*single)] == stream.expected


@stream
def test_a_stream_in_every_two_way_cut(stream: Stream) -> None:
    for cut in range(len(stream.data) + 1):
        found = lines_of(stream.data[:cut], stream.data[cut:])
        assert [line["n"] for line in found] == stream.expected, f"cut at {cut}"


def test_each_read_gives_the_lines_that_it_completes() -> None:
    decoder = LineDecoder(ROOMY)
    assert decoder.feed(numbered(1)) == []
    assert decoder.feed(b"\n" + numbered(2) + b"\n" + numbered(3)[:5]) == [
        {"type": "x", "n": 1},
        {"type": "x", "n": 2},
    ]
    assert repr(decoder) == "<LineDecoder, 5 bytes of an unfinished line>"
    assert decoder.feed(numbered(3)[5:] + b"\n") == [{"type": "x", "n": 3}]
    assert repr(decoder) == "<LineDecoder, 0 bytes of an unfinished line>"


scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text()
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
typed_objects = st.builds(
    lambda fields, kind: {**fields, "type": kind},
    st.dictionaries(st.text(), json_values, max_size=4),
    st.text(),
)


@given(st.lists(typed_objects, max_size=5), st.data())
def test_what_is_encoded_and_cut_anywhere_decodes_to_the_same(
    sent: list[Line], data: st.DataObject
) -> None:
    stream = b"".join(map(wire.encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6), label="cuts"))
    chunks = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    assert lines_of(*chunks) == sent


# -- Decoding: what is not the protocol -------------------------------------------------------


@frozen
class NoLine:
    """Bytes that are no line of the protocol, what the caller is told, and what the log shows."""

    name: str
    data: bytes
    message: str
    detail: str


NO_JSON = "The CLI wrote a line that is not JSON."
NO_TYPE = "The CLI wrote a line without a type."

NO_LINES = [
    NoLine("a word", b"oops", NO_JSON, "'oops'"),
    NoLine("half an object", b'{"type":"x"', NO_JSON, """'{"type":"x"'"""),
    NoLine("two objects", b'{"type":"x"} {"n":1}', NO_JSON, """'{"type":"x"} {"n":1}'"""),
    NoLine("not UTF-8", b'{"type":"\xff"}', NO_JSON, """'{"type":"\ufffd"}'"""),
    NoLine("NaN", b'{"type":"x","n":NaN}', NO_JSON, """'{"type":"x","n":NaN}'"""),
    NoLine("deeper than any parser goes", b"[" * 9_999, NO_JSON, f"'{'[' * 200}'..."),
    NoLine("just as long as is shown", b"a" * 200, NO_JSON, f"'{'a' * 200}'"),
    NoLine("longer than is shown", b"a" * 201, NO_JSON, f"'{'a' * 200}'..."),
    NoLine("an array", b"[1]", NO_TYPE, "'[1]'"),
    NoLine("a number", b" 1\r", NO_TYPE, "'1'"),
    NoLine("null", b"null", NO_TYPE, "'null'"),
    NoLine("no type", b'{"n":1}', NO_TYPE, """'{"n":1}'"""),
    NoLine("a type that is no string", b'{"type":1}', NO_TYPE, """'{"type":1}'"""),
    NoLine("a type of null", b'{"type":null}', NO_TYPE, """'{"type":null}'"""),
]


@pytest.mark.parametrize("bad", NO_LINES, ids=lambda case: case.name)
def test_what_is_no_line_is_an_error_and_shown_in_the_log_alone(bad: NoLine) -> None:
    with pytest.raises(WireError) as caught:
        lines_of(bad.data + b"\n")
    assert caught.value.message == bad.message
    assert caught.value.detail == bad.detail


def padded(size: int) -> bytes:
    """A line of just this many bytes, its newline not counted."""
    frame = b'{"type":"x","n":""}'
    return b'{"type":"x","n":"%b"}' % (b"a" * (size - len(frame)))


LIMIT = 50


def test_a_line_of_just_the_limit_is_taken_in_every_cut() -> None:
    data = padded(LIMIT) + b"\n" + padded(LIMIT) + b"\n"
    for cut in range(len(data) + 1):
        assert len(lines_of(data[:cut], data[cut:], max_line_size=LIMIT)) == 2


@pytest.mark.parametrize("end", [b"\n", b""], ids=["with its newline", "without a newline"])
def test_a_line_over_the_limit_is_an_error_in_every_cut(end: bytes) -> None:
    data = padded(LIMIT + 1) + end
    for cut in range(len(data) + 1):
        with pytest.raises(WireError, match=r"^The CLI wrote a line longer than 50 bytes\.$"):
            lines_of(data[:cut], data[cut:], max_line_size=LIMIT)


def test_a_line_that_never_ends_is_an_error_as_soon_as_it_is_too_long() -> None:
    decoder = LineDecoder(LIMIT)
    for _ in range(LIMIT):
        decoder.feed(b"a")
    with pytest.raises(WireError, match="longer than 50 bytes"):
        decoder.feed(b"a")


# -- Encoding ---------------------------------------------------------------------------------


def test_an_encoded_line_is_compact_and_ends_with_its_only_newline() -> None:
    assert wire.encode({"type": "x", "text": "a\nb\r\n"}) == b'{"type":"x","text":"a\\nb\\r\\n"}\n'


def test_characters_that_end_a_line_in_javascript_are_escaped() -> None:
    data = wire.encode({"type": "x", "\u2028": ["a\u2028b", {"n": "\u2029\u2029"}]})
    assert data == b'{"type":"x","\\u2028":["a\\u2028b",{"n":"\\u2029\\u2029"}]}\n'


def test_their_neighbours_are_not() -> None:
    text = "\u2027\u202a\u00e9\u0085"
    assert wire.encode({"type": text}) == f'{{"type":"{text}"}}\n'.encode()


@given(typed_objects)
def test_an_encoded_line_is_one_line_to_python_and_to_javascript(line: Line) -> None:
    data = wire.encode(line)
    assert data.endswith(b"}\n")
    assert not {"\n", "\r", "\u2028", "\u2029"} & set(data[:-1].decode())


@frozen
class Written:
    """A line as a function makes it and as it goes over the wire."""

    name: str
    made: bytes
    expected: bytes


TEXT: list[dict[str, Any]] = [{"type": "text", "text": "hi"}]

WRITTEN = [
    Written(
        "a control request without fields",
        wire.control_request("id-1", "interrupt"),
        b'{"type":"control_request","request_id":"id-1","request":{"subtype":"interrupt"}}\n',
    ),
    Written(
        "a control request with fields",
        wire.control_request("id-2", "initialize", systemPrompt="be\u2028brief"),
        b'{"type":"control_request","request_id":"id-2",'
        b'"request":{"subtype":"initialize","systemPrompt":"be\\u2028brief"}}\n',
    ),
    Written(
        "a query",
        wire.user_message(TEXT, "uuid-1", query=True),
        b'{"type":"user","message":{"role":"user","content":[{"type":"text","text":"hi"}]},'
        b'"parent_tool_use_id":null,"session_id":"","uuid":"uuid-1"}\n',
    ),
    Written(
        "a user message of the history",
        wire.user_message(TEXT, "uuid-2", query=False),
        b'{"type":"user","message":{"role":"user","content":[{"type":"text","text":"hi"}]},'
        b'"parent_tool_use_id":null,"session_id":"","uuid":"uuid-2","shouldQuery":false}\n',
    ),
    Written(
        "an assistant message of the history",
        wire.assistant_message(TEXT, "uuid-3", "claude-test"),
        b'{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"hi"}],'
        b'"id":"msg_uuid-3","type":"message","model":"claude-test"},"parent_tool_use_id":null,"session_id":"","uuid":"uuid-3"}\n',
    ),
]


@pytest.mark.parametrize("line", WRITTEN, ids=lambda case: case.name)
def test_what_is_written_byte_for_byte(line: Written) -> None:
    assert line.made == line.expected
