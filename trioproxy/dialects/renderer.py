"""An answer's events as bytes, in the dialect of the caller."""

import json
from collections.abc import Iterable
from typing import Protocol

import orjson

from trioproxy.claude.turn import Event
from trioproxy.dialects import sse
from trioproxy.dialects.anthropic.errors import error_body
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import TrioproxyError


class Renderer(Protocol):
    """Renders one answer. Each method returns the bytes to send, which may be none."""

    def events(self, batch: Iterable[Event]) -> bytes:
        """Some of the API's events."""
        ...

    def ping(self) -> bytes:
        """A sign of life in a silent stream."""
        ...

    def end(self) -> bytes:
        """The end of a complete stream."""
        ...

    def failed(self, error: TrioproxyError, request_id: str) -> bytes:
        """An error in the stream, which ends it."""
        ...

    def whole(self, answer: WholeAnswer) -> bytes:
        """A complete answer as a JSON body."""
        ...


class MessagesRenderer:
    """The Messages API's own: the events as they are."""

    def events(self, batch: Iterable[Event]) -> bytes:
        """The events themselves."""
        return sse.encode_events(batch)

    def ping(self) -> bytes:
        """A `ping` event."""
        return sse.encode_event({"type": "ping"})

    def end(self) -> bytes:
        """Nothing: `message_stop` has come."""
        return b""

    def failed(self, error: TrioproxyError, request_id: str) -> bytes:
        """An `error` event."""
        return sse.encode_event(error_body(error, request_id))

    def whole(self, answer: WholeAnswer) -> bytes:
        """The message."""
        try:
            return orjson.dumps(answer.message)
        except TypeError:  # a whole number of more than 64 bits, in a tool's input
            return json.dumps(answer.message).encode()
