"""What is asked of this server: the requests that run, the latest that ended, and how many.

Each ASGI call has an `Entry`, which those who serve it fill in. When it ends, those who count are
told; the log waits until its process is clean again, and has told the cost.
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
from trioproxy.pool.job import Course
from trioproxy.refusals import Refusal

REFUSED = "refused"  # the route of what was refused by its head alone

_OPERATORS = frozenset(
    {
        "/",
        "/health",
        "/health/live",
        "/health/ready",
        "/http_pool/stats",
        "/metrics",
        "/pool/stats",
        "/status",
        "/status/events",
        "/status/icon.svg",
        "/status/page.css",
        "/status/page.js",
    }
)
_LATEST = 50
_SECONDS = 300  # of the history: as long as a person looks back on a page
_FAILED = 500
_LONGEST_NAME = 256  # characters of what a caller or a gateway says, that are kept
_LONGEST_BODY = 65_536  # bytes that are kept


@define(eq=False)
class Tokens:
    """What an answer has used, as the API counts it."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@define(eq=False)
class Bodies:
    """What was said in both directions, as far as it is kept."""

    asked: bytearray = field(factory=bytearray)
    answered: bytearray = field(factory=bytearray)


@define(eq=False)
class Entry:
    """One request. Times are on trio's clock; None: not yet.

    `route`: the pattern that it met, never what a caller typed; `token`: the name of the token.
    `course`: how far the model's answer came. `sent`: bytes of the body of the response.
    `refusal`: why the request was refused, and `refused_at` which part of it. `notes`: what was
    mended, for `client`, the name in its user agent.
    """

    id: str
    method: str
    path: str
    begun: float
    route: str = ""
    token: str = ""
    status: int | None = None
    first_byte: float | None = None
    ended: float | None = None
    sent: int = 0
    model: str = ""
    worker: str = ""
    course: Course | None = None
    tokens: Tokens | None = None
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
        course = self.course
        if self.ended is not None:
            is_settled = course is None or course.settled is not None
            return "done" if is_settled else "resetting"
        if course is None:
            return "running"
        for name, until in (
            ("waiting", course.taken),
            ("binding", course.read),
            ("thinking", course.begun),
        ):
            if until is None:
                return name
        return "streaming"

    def failed(self, error: TrioproxyError) -> None:
        """Note why there is no answer, or no whole one; the latest error counts."""
        self.failure = error.type
        self.refusal = error.refusal if isinstance(error, CallerError) else None
        self.refused_at = error.place if isinstance(error, InvalidRequest) else ""

    def heard(self, events: Iterable[Event]) -> None:
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
        if self.first_byte is None:
            self.first_byte = trio.current_time()
        self.sent += len(body)
        if self.bodies is not None:
            _keep(self.bodies.answered, body)

    def _used(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        tokens = self.tokens = self.tokens or Tokens()
        tokens.input = usage.get("input_tokens") or tokens.input
        tokens.output = usage.get("output_tokens") or tokens.output
        tokens.cache_read = usage.get("cache_read_input_tokens") or tokens.cache_read
        tokens.cache_write = usage.get("cache_creation_input_tokens") or tokens.cache_write


def _keep(kept: bytearray, body: bytes) -> None:
    kept += body[: max(0, _LONGEST_BODY - len(kept))]


@define(eq=False)
class Second:
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


def is_operators(path: str) -> bool:
    """Whether a path tells of this server: it is answered to the end, however much is asked."""
    return path in _OPERATORS


Listener = Callable[[Entry], None]


@define(eq=False)
class Book:
    """See above.

    `on_ended` are told of each entry whose call is over; `on_settled` when nothing more will be
    known of it, for which `keeps_bodies`. `running` has those that are not settled: the last of a
    turn is that its process is made clean.

    `last_answer`: the Unix time of the model's last one; `is_logged_in`: whether the API took the
    CLI's login when it was last asked; None: not yet.
    """

    on_ended: list[Listener] = field(factory=list)
    on_settled: list[Listener] = field(factory=list)
    keeps_bodies: bool = False
    running: dict[str, Entry] = field(factory=dict)
    latest: deque[Entry] = field(factory=lambda: deque(maxlen=_LATEST))
    history: deque[Second] = field(factory=lambda: deque(maxlen=_SECONDS))
    last_answer: float | None = None
    is_logged_in: bool | None = None

    @contextmanager
    def entry(self, request_id: str, method: str, path: str) -> Generator[Entry]:
        """The entry of a request whose call is there for as long as the block."""
        shown = (method[:_LONGEST_NAME], path[:_LONGEST_NAME])
        entry = Entry(request_id, *shown, trio.current_time())
        entry.bodies = Bodies() if self.keeps_bodies else None
        self.running[request_id] = entry
        try:
            yield entry
        finally:
            entry.ended = trio.current_time()
            try:
                self._end(entry, time.time())
            finally:
                if entry.course is None:
                    self._settle(entry)
                else:
                    entry.course.when_settled(partial(self._settle, entry))

    def _settle(self, entry: Entry) -> None:
        del self.running[entry.id]
        for listener in self.on_settled:
            listener(entry)
        if _is_of_interest(entry):
            self.latest.append(entry)

    def _end(self, entry: Entry, now: float) -> None:
        for listener in self.on_ended:
            listener(entry)
        if not _is_of_interest(entry):
            return
        if entry.course is not None:
            self._asked_the_model(entry, now)
        if not self.history or self.history[-1].at != int(now):
            self.history.append(Second(int(now)))
        second = self.history[-1]
        assert entry.ended is not None
        second.times.append(entry.ended - entry.begun)
        second.failed += (entry.status or _FAILED) >= _FAILED

    def _asked_the_model(self, entry: Entry, now: float) -> None:
        if entry.failure == "authentication_error":  # the API's: the caller's own has no turn
            self.is_logged_in = False
        elif entry.tokens is not None and not entry.failure:
            self.is_logged_in, self.last_answer = True, round(now, 3)


def _is_of_interest(entry: Entry) -> bool:
    """Neither who looks at the page, nor who has no token, is to fill it."""
    return not is_operators(entry.route) and entry.route != REFUSED
