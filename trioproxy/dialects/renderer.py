"""How an answer is told: what each dialect makes of the API's events."""

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
    """One answer on its way, in the dialect of its caller."""

    def events(self, batch: Iterable[Event]) -> bytes:
        """What is sent for these events of the API's."""
        ...

    def ping(self) -> bytes:
        """What is sent so that a silent stream is not taken for dead."""
        ...

    def end(self) -> bytes:
        """What is sent behind the last event."""
        ...

    def failed(self, error: TrioproxyError, request_id: str) -> bytes:
        """What is sent when the answer breaks off."""
        ...

    def whole(self, answer: WholeAnswer) -> bytes:
        """The body of an answer that is not streamed."""
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
