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


def encode_event(data: Mapping[str, Any]) -> bytes:
    """One event, named by its own `type`. JSON has no raw newline, so one data line is enough."""
    name: str = data["type"]
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


def encode_events(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Events that are already there, as the one chunk that they travel in."""
    return b"".join(map(encode_event, events))
