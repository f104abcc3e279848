"""Server-sent events, framed as the Anthropic API frames them.

One event is two lines and a blank one:

    event: message_start
    data: {"type":"message_start",...}

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, and the API's own streams.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

CONTENT_TYPE = "text/event-stream; charset=utf-8"


_LINE_ENDS = {
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
    "\x85".encode(): rb"\u0085",
}


def _json(data: Mapping[str, Any]) -> bytes:
    """JSON on what every reader takes for one line.

    JSON escapes newlines itself. The line ends of Unicode it leaves, and by the standard they end
    no line of a stream; but to `str.splitlines`, and to readers that are made of it, they do.
    """
    text = orjson.dumps(data)
    if b"\xe2\x80" in text or b"\xc2\x85" in text:
        for raw, escaped in _LINE_ENDS.items():
            text = text.replace(raw, escaped)
    return text


def encode_event(data: Mapping[str, Any]) -> bytes:
    """One event, named by its own `type`."""
    name: str = data["type"]
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _json(data))


def encode_data(data: Mapping[str, Any]) -> bytes:
    """One event without a name, as OpenAI's chats have them."""
    return b"data: %b\n\n" % _json(data)


def encode_events(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Events that are already there, as the one chunk that they travel in."""
    return b"".join(map(encode_event, events))
