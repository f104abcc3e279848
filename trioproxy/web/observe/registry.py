"""The requests of this server: those that run, the latest that ended, and their number.

Each ASGI call has a `RequestRecord`, which its handlers fill in. When the call ends, the counters
are updated; the log line waits until the process is clean and has reported the cost.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial

import trio
from attrs import define, field

from trioproxy.claude.turn import Event
from trioproxy.errors import CallerError, InvalidRequest, TrioproxyError
from trioproxy.percentiles import Percentiles
from trioproxy.pool.job import TurnTimings
from trioproxy.refusals import Refusal
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

REFUSED = "refused"  # the route of what was refused by its head alone

_LATEST = 50
_SECONDS = 300  # of the history: as long as a person looks back on a page
_FAILED = 500
_LONGEST_NAME = 256  # characters of what a caller or a gateway says, that are kept
_LONGEST_BODY = 65_536  # bytes that are kept


@define(eq=False)
class Usage:
    """What an answer has used, as the API counts it."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@define(eq=False)
class Bodies:
    """The bodies of the request and the response, at most 64 kB of each."""

    asked: bytearray = field(factory=bytearray)
    answered: bytearray = field(factory=bytearray)


@define(eq=False)
class RequestRecord:
    """One request. Times are on trio's clock; None: not yet.

    `route`: the pattern that it met, never what a caller typed; `caller`: the name of its token,
    empty without one.
    `timings`: how far the model's answer came. `sent`: bytes of the body of the response.
    `refusal`: why the request was refused, and `refused_at` which part of it. `notes`: what was
    mended, for `client`, the name in its user agent.
    """

    id: str
    method: str
    path: str
    started_at: float
    route: str = ""
    caller: str = ""
    status: int | None = None
    first_byte_at: float | None = None
    ended_at: float | None = None
    sent: int = 0
    model: str = ""
    worker: str = ""
    timings: TurnTimings | None = None
    usage: Usage | None = None
    failure: str = ""
    refusal: Refusal | None = None
    refused_at: str = ""
    client: str = ""
    notes: tuple[str, ...] = ()
    bodies: Bodies | None = None  # None where they are not to be kept

    @property
    def stage(self) -> str:
        """Where its time goes now.

        Waiting, binding, thinking, streaming, resetting or done; running where no model is asked.
        """
        timings = self.timings
        if self.ended_at is not None:
            is_settled = timings is None or timings.done_at is not None
            return "done" if is_settled else "resetting"
        if timings is None:
            return "running"
        for name, until in (
            ("waiting", timings.assigned_at),
            ("binding", timings.accepted_at),
            ("thinking", timings.first_event_at),
        ):
            if until is None:
                return name
        return "streaming"

    def failed(self, error: TrioproxyError) -> None:
        """Record why there is no answer, or an incomplete one; the latest error counts."""
        self.failure = error.type
        self.refusal = error.refusal if isinstance(error, CallerError) else None
        self.refused_at = error.place if isinstance(error, InvalidRequest) else ""

    def record_usage(self, events: Iterable[Event]) -> None:
        """Note what the model says of itself and of its cost."""
        for event in events:
            if event["type"] == "message_start":
                message = event["message"]
                if isinstance(model := message.get("model"), str):
                    self.model = model[:_LONGEST_NAME]  # a gateway may say anything
                self._used(message.get("usage"))
            elif event["type"] == "message_delta":
                self._used(event.get("usage"))

    def asked(self, body: bytes) -> None:
        """Note a part of the request's body."""
        if self.bodies is not None:
            _keep(self.bodies.asked, body)

    def answered(self, body: bytes) -> None:
        """Note a part of the response's body."""
        if self.first_byte_at is None:
            self.first_byte_at = trio.current_time()
        self.sent += len(body)
        if self.bodies is not None:
            _keep(self.bodies.answered, body)

    def _used(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        total = self.usage = self.usage or Usage()
        total.input = usage.get("input_tokens") or total.input
        total.output = usage.get("output_tokens") or total.output
        total.cache_read = usage.get("cache_read_input_tokens") or total.cache_read
        total.cache_write = usage.get("cache_creation_input_tokens") or total.cache_write


def _keep(kept: bytearray, body: bytes) -> None:
    kept += body[: max(0, _LONGEST_BODY - len(kept))]


@define(eq=False)
class SecondBucket:
    """What ended in one second. `at`: Unix time; `times`: seconds that each took."""

    at: int
    failed: int = 0
    times: list[float] = field(factory=list)
    _percentiles: Percentiles = field(factory=lambda: Percentiles.of(()))
    _counted: int = 0

    def percentiles(self) -> Percentiles:
        """Of `times`; a busy second has a thousand, and most seconds are as they were."""
        if self._counted != len(self.times):
            self._counted = len(self.times)
            self._percentiles = Percentiles.of(self.times)
        return self._percentiles


Listener = Callable[[RequestRecord], None]


@define(eq=False)
class RequestRegistry:
    """All requests.

    `on_ended`: called with each record whose ASGI call is over; `on_settled`: when nothing more
    will be known of it, with its bodies if `keeps_bodies`. `running`: records that are not
    settled yet, by id, for a turn ends when its process is clean.

    `last_answer`: the Unix time of the model's last answer; `is_logged_in`: whether the API
    accepted the CLI's login when it was last asked. None: not known yet.
    """

    on_ended: list[Listener] = field(factory=list)
    on_settled: list[Listener] = field(factory=list)
    keeps_bodies: bool = False
    running: dict[str, RequestRecord] = field(factory=dict)
    latest: deque[RequestRecord] = field(factory=lambda: deque(maxlen=_LATEST))
    history: deque[SecondBucket] = field(factory=lambda: deque(maxlen=_SECONDS))
    last_answer: float | None = None
    is_logged_in: bool | None = None

    @contextmanager
    def record(self, request_id: str, method: str, path: str) -> Generator[RequestRecord]:
        """The entry of a request whose call is there for as long as the block."""
        shown = (method[:_LONGEST_NAME], path[:_LONGEST_NAME])
        record = RequestRecord(request_id, *shown, trio.current_time())
        record.bodies = Bodies() if self.keeps_bodies else None
        self.running[request_id] = record
        try:
            yield record
        finally:
            record.ended_at = trio.current_time()
            try:
                self._end(record, time.time())
            finally:
                if record.timings is None:
                    self._settle(record)
                else:
                    record.timings.on_done(partial(self._settle, record))

    def _settle(self, record: RequestRecord) -> None:
        del self.running[record.id]
        for listener in self.on_settled:
            listener(record)
        if _is_of_interest(record):
            self.latest.append(record)

    def _end(self, record: RequestRecord, now: float) -> None:
        for listener in self.on_ended:
            listener(record)
        if not _is_of_interest(record):
            return
        if record.timings is not None:
            self._asked_the_model(record, now)
        if not self.history or self.history[-1].at != int(now):
            self.history.append(SecondBucket(int(now)))
        second = self.history[-1]
        assert record.ended_at is not None
        second.times.append(record.ended_at - record.started_at)
        second.failed += (record.status or _FAILED) >= _FAILED

    def _asked_the_model(self, record: RequestRecord, now: float) -> None:
        if record.failure == "authentication_error":  # the API's: the caller's own has no turn
            self.is_logged_in = False
        elif record.usage is not None and not record.failure:
            self.is_logged_in, self.last_answer = True, round(now, 3)


def _is_of_interest(record: RequestRecord) -> bool:
    """Operators and rejected callers would push out the requests that the page is for."""
    return table.audience(record.route) is Audience.CALLER and record.route != REFUSED
