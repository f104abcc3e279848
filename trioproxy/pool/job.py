"""One turn on its way through the pool, shared by the caller's task and the worker's.

The caller waits at the receiving end of a zero-buffer channel. What comes over it:

    Note.TAKEN      a worker has the turn: the caller's wait in line is over
    Note.RETURNED   that worker's process died before it said anything: the turn waits once more
    events          what one read of the process gave
    the end         `error` tells how it went

The caller may leave at any moment: that is a synchronous `abandon()`, and the worker sees to the
rest.
"""

from collections.abc import Callable
from enum import Enum
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import trio
from attrs import define, field

from trioproxy.claude.conversation import Asked
from trioproxy.claude.turn import Event, Turn
from trioproxy.errors import TrioproxyError

Batch: TypeAlias = tuple[Event, ...]


class Signal(Enum):
    """Notices to the caller, sent over the channel between events."""

    TAKEN = "taken"
    RETURNED = "returned"


@define(eq=False)
class TurnTimings:
    """When each stage of a turn was reached, in seconds of the pool's clock, and its cost.

    None: not reached yet.

    `assigned_at`: the last time that a worker took it; `accepted_at`: its process had read it,
    and is bound; `first_event_at`: the first event of the answer came; `reset_at`: the reset of
    its process began; `done_at`: no worker has it any more, and nothing more will be known.
    `cost`: in USD, as the CLI estimates it, which it reports after the answer. `kept` and
    `replayed`: messages of its history that stood in the process, and that were written.
    """

    assigned_at: float | None = None
    accepted_at: float | None = None
    first_event_at: float | None = None
    reset_at: float | None = None
    done_at: float | None = None
    cost: float | None = None
    kept: int | None = None
    replayed: int | None = None
    _listeners: list[Callable[[], None]] = field(factory=list, init=False)

    def mark_done(self) -> None:
        """Nothing more will be known. Only the first call counts."""
        if self.done_at is None:
            self.done_at = trio.current_time()
            for listener in self._listeners:
                listener()

    def on_done(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when all is known: at once, if it is."""
        if self.done_at is None:
            self._listeners.append(listener)
        else:
            listener()


@define(eq=False)
class Job:
    """A turn, the channel on which its answer comes, and where it stands.

    With `is_buffered`, the caller is not woken before the end; until then its events are in
    `buffered`.
    """

    turn: Turn
    request_id: str = ""
    submitted_at: float = 0.0
    is_buffered: bool = False
    buffered: list[Event] = field(factory=list, init=False)
    error: TrioproxyError | None = field(default=None, init=False)
    worker_id: str | None = field(default=None, init=False)
    timings: TurnTimings = field(factory=TurnTimings, init=False)
    tries: int = field(default=0, init=False)
    waits_since: float | None = field(default=None, init=False)
    is_abandoned: bool = field(default=False, init=False)
    _is_finished: bool = field(default=False, init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _sender: trio.MemorySendChannel[Batch | Signal] = field(init=False)
    _receiver: trio.MemoryReceiveChannel[Batch | Signal] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sender, self._receiver = trio.open_memory_channel[Batch | Signal](0)

    @cached_property
    def asked(self) -> Asked:
        """What the turn asks of a process."""
        return Asked(self.turn)

    # The caller's side.

    async def receive(self) -> Batch | Signal | None:
        """The next item; None at the end, when `error` is set if the turn failed."""
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            return None

    def abandon(self) -> None:
        """The caller is gone. Says so to the worker, if one has the turn; never blocks."""
        self.is_abandoned = True
        self._receiver.close()
        self._scope.cancel(reason="the client left")

    # The pool's and the worker's side.

    @property
    def has_waited(self) -> bool:
        """Whether the turn was queued: the caller is then notified when a worker takes it."""
        return self.waits_since is not None

    def caller_scope(self) -> trio.CancelScope:
        """A new scope for waiting on the caller's behalf: it ends when the caller leaves."""
        self._scope = trio.CancelScope()
        if self.is_abandoned:
            self._scope.cancel(reason="the client left")
        return self._scope

    @property
    def is_unseen(self) -> bool:
        """Whether a caller waits for it who has seen nothing of it yet."""
        has_begun = self.timings.first_event_at is not None
        return not (has_begun or self._is_finished or self.is_abandoned)

    def wait_again(self) -> None:
        """No worker has the turn any more."""
        self.worker_id = None
        self.waits_since = trio.current_time()

    async def tell(self, note: Signal) -> None:
        """Tell a caller that is, or will be, waiting at the channel."""
        await self._send(note)

    async def deliver(self, events: Batch) -> None:
        """Hand events on. Blocks while the caller is busy with the last ones."""
        if self.timings.first_event_at is None:
            self.timings.first_event_at = trio.current_time()
        if self.is_buffered:
            self.buffered += events
        else:
            await self._send(events)

    async def _send(self, item: Batch | Signal) -> None:
        try:
            await self._sender.send(item)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()  # abandoned: this is where the scope ends it

    def finish(self, error: TrioproxyError | None = None) -> None:
        """The last event has been handed on, or none will be. Only the first call counts."""
        if not self._is_finished:
            self._is_finished = True
            self.error = error
            self._sender.close()


class LeaseOwner(Protocol):
    """The part of a pool that a caller deals with through its `Lease`."""

    async def wait_taken(self, job: Job) -> None:
        """Wait until a worker has the turn."""
        ...

    def leave(self, job: Job) -> None:
        """The caller is done with the turn, or gives it up."""
        ...


class Lease:
    """The caller's hold on its turn: `with pool.submit(turn) as answer`.

    Leaving the block, at any point and in any way, gives the turn up.
    """

    def __init__(self, job: Job, desk: LeaseOwner) -> None:
        self._job = job
        self._desk = desk
        self._is_released = False
        self._waits_again = False

    @property
    def worker_id(self) -> str | None:
        """The short id of the worker that answers; None while waiting for one."""
        return self._job.worker_id

    @property
    def timings(self) -> TurnTimings:
        """How the turn goes."""
        return self._job.timings

    def buffered(self) -> Batch:
        """The events of a buffered answer that were not received yet."""
        buffered, self._job.buffered = self._job.buffered, []
        return tuple(buffered)

    async def wait_taken(self) -> None:
        """Wait until a worker has the turn. Raises `CapacityError` or `BootFailed`."""
        await self._desk.wait_taken(self._job)

    async def receive(self) -> Batch | None:
        """The next events, never none; None after the last. Raises what went wrong.

        It may be cancelled and called again, and loses nothing.
        """
        while True:
            if self._waits_again:
                await self._desk.wait_taken(self._job)
                self._waits_again = False
            match await self._job.receive():
                case Signal.TAKEN:
                    pass
                case Signal.RETURNED:
                    self._waits_again = True
                case None:
                    if self._job.error is not None:
                        raise self._job.error.again()
                    return self.buffered() or None
                case events:
                    return events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        batch = await self.receive()
        if batch is None:
            raise StopAsyncIteration
        return batch

    def release(self) -> None:
        """Give the turn up, or be done with it. Only the first call does anything."""
        if not self._is_released:
            self._is_released = True
            self._desk.leave(self._job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
