"""Which event of an answer is due when.

Times are seconds since the request came, not since the event before: a late event delays none of
those that follow, so an answer of n deltas takes `first + n / rate` however busy the machine is.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import attrs

from trioproxy.dialects.sse import encode_event, encode_events


@attrs.frozen
class Pace:
    """How fast an answer comes: seconds before its first event, then deltas per second."""

    first: float = attrs.field(
        default=0.0, validator=[attrs.validators.ge(0), attrs.validators.lt(inf)]
    )
    rate: float = attrs.field(default=inf, validator=attrs.validators.gt(0))

    def due(self, deltas: int) -> float:
        """When that many deltas are out and the next event may come, in seconds."""
        return self.first + deltas / self.rate


def timetable(
    events: Iterable[Mapping[str, Any]], pace: Pace, size: int | None = None
) -> list[tuple[float, bytes]]:
    """The chunks of a streamed answer, each with its due time.

    Without a rate there is one chunk, as from an upstream that had it all; else one per event.
    `size` cuts each into pieces of so many bytes, in the midst of a line or a character.
    """
    chunks = _chunks(events, pace)
    if size is None:
        return chunks
    return [
        (due, data[at : at + size]) for due, data in chunks for at in range(0, len(data), size)
    ]


def _chunks(events: Iterable[Mapping[str, Any]], pace: Pace) -> list[tuple[float, bytes]]:
    if pace.rate == inf:
        return [(pace.first, encode_events(events))]
    chunks = []
    deltas = 0
    for event in events:
        chunks.append((pace.due(deltas), encode_event(event)))
        deltas += event["type"] == "content_block_delta"
    return chunks
