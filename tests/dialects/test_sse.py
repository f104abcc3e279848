import json
from collections.abc import Mapping

import httpx
import pytest
from anthropic._streaming import SSEDecoder
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from trioproxy.dialects import sse


@frozen
class Framed:
    """An event and the bytes that it is on the wire."""

    name: str
    event: Mapping[str, object]
    expected: bytes


FRAMED = [
    Framed("nothing but a type", {"type": "ping"}, b'event: ping\ndata: {"type":"ping"}\n\n'),
    Framed(
        "fields, in their order",
        {"type": "content_block_stop", "index": 0},
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    ),
    Framed(
        "a type that does not come first",
        {"index": 0, "type": "content_block_stop"},
        b'event: content_block_stop\ndata: {"index":0,"type":"content_block_stop"}\n\n',
    ),
    Framed(
        "newlines in a text",
        {"type": "x", "text": "a\n\nevent: y\r\ndata: z"},
        b'event: x\ndata: {"type":"x","text":"a\\n\\nevent: y\\r\\ndata: z"}\n\n',
    ),
    Framed(
        "characters of several bytes",
        {"type": "x", "text": "é€😀"},
        'event: x\ndata: {"type":"x","text":"é€😀"}\n\n'.encode(),
    ),
    Framed(
        "line ends that JSON leaves as they are",
        {"type": "x", "text": "a\u2028b\u2029c\x85d…"},
        'event: x\ndata: {"type":"x","text":"a\\u2028b\\u2029c\\u0085d…"}\n\n'.encode(),
    ),
]


@pytest.mark.parametrize("framed", FRAMED, ids=lambda case: case.name)
def test_an_event_byte_for_byte(framed: Framed) -> None:
    assert sse.encode_event(framed.event) == framed.expected


def test_several_events_are_one_chunk() -> None:
    events = [framed.event for framed in FRAMED]
    assert sse.encode_events(iter(events)) == b"".join(framed.expected for framed in FRAMED)
    assert sse.encode_events([]) == b""


@given(st.text())
def test_data_is_one_line_to_every_reader(text: str) -> None:
    chunk = sse.encode_data({"text": text}).decode()
    (data,) = filter(None, chunk.splitlines())
    assert json.loads(data.removeprefix("data: ")) == {"text": text}


@given(st.lists(st.dictionaries(st.text(), st.text()), max_size=4))
def test_a_client_reads_back_what_was_sent(fields: list[dict[str, str]]) -> None:
    events = [{**some, "type": f"kind_{i}"} for i, some in enumerate(fields)]
    read = list(SSEDecoder().iter_bytes(iter([sse.encode_events(events)])))
    assert [(item.event, json.loads(item.data)) for item in read] == [
        (event["type"], event) for event in events
    ]


def test_the_content_type_is_that_of_an_event_stream_in_utf_8() -> None:
    response = httpx.Response(200, headers={"content-type": sse.CONTENT_TYPE})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.charset_encoding == "utf-8"
