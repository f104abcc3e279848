"""The requests that came, for whoever wants to know what a client really sent."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from trio_util import RepeatedEvent

MAX_REQUESTS = 10_000

SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-api-key"},
)
"""Never stored: what is not kept cannot be shown."""


@attrs.frozen
class RecordedRequest:
    """A request as it came, but for its credentials."""

    number: int
    """1 for the first one that ever came; not begun again by `Record.clear`."""
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """The names are in lower case."""
    body: Any
    """The JSON of it; None if there was none, or it was no JSON."""

    @property
    def is_messages(self) -> bool:
        """Whether this asked for an answer of the model."""
        return self.method == "POST" and self.path == "/v1/messages"


class Record:
    """The latest requests, oldest first; the oldest are forgotten when there are too many."""

    def __init__(self, max_requests: int = MAX_REQUESTS) -> None:
        self._requests: deque[RecordedRequest] = deque(maxlen=max_requests)
        self._last_number = 0
        self._added = RepeatedEvent()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(tuple(self._requests))

    def __repr__(self) -> str:
        return f"<Record: {len(self)} requests, the last is number {self._last_number}>"

    def add(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> RecordedRequest:
        """Store a request without its credentials, and give it its number."""
        self._last_number += 1
        shown = {n: v for n, v in (headers or {}).items() if n.lower() not in SECRET_HEADERS}
        request = RecordedRequest(self._last_number, method, path, query, shown, body)
        self._requests.append(request)
        self._added.set()
        return request

    def since(self, number: int) -> list[RecordedRequest]:
        """Those that came after the one with that number."""
        return [request for request in self._requests if request.number > number]

    @property
    def messages(self) -> list[RecordedRequest]:
        """Those to `POST /v1/messages`."""
        return [request for request in self._requests if request.is_messages]

    async def wait_for_messages(self, count: int) -> list[RecordedRequest]:
        """Wait until at least `count` requests to `POST /v1/messages` are here, and return all."""
        while len(self.messages) < count:
            await self._added.wait()
        return self.messages

    def clear(self) -> None:
        """Forget them all."""
        self._requests.clear()
