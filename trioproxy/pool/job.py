"""One turn on its way through the pool, shared by the caller's task and the worker's.

The caller's side waits at the receiving end of a zero-buffer channel. An empty batch says that a
worker has taken the turn; then come batches of events, each what one read of the process gave;
then the end, with `error` set if it went wrong. The caller may leave at any moment: that is a
synchronous `abandon()`, and the worker sees to the rest.
"""

from types import TracebackType
from typing import Protocol, Self, TypeAlias

import trio
from attrs import define, field

from trioproxy.claude.turn import Event, Turn
from trioproxy.errors import TrioproxyError

Batch: TypeAlias = tuple[Event, ...]

TAKEN: Batch = ()


@define(eq=False)
class Job:
    """A turn and the channel on which its answer comes."""

    turn: Turn
    error: TrioproxyError | None = field(default=None, init=False)
    worker_id: str | None = field(default=None, init=False)
    has_waited: bool = field(default=False, init=False)
    _is_finished: bool = field(default=False, init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _sender: trio.MemorySendChannel[Batch] = field(init=False)
    _receiver: trio.MemoryReceiveChannel[Batch] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sender, self._receiver = trio.open_memory_channel[Batch](0)

    # The caller's side.

    async def receive(self) -> Batch | None:
        """The next batch; None at the end, when `error` tells how it went."""
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            return None

    def abandon(self) -> None:
        """The caller is gone. Says so to the worker, if one has the turn; never blocks."""
        self._receiver.close()
        self._scope.cancel(reason="the client left")

    # The pool's and the worker's side.

    async def tell_taken(self) -> None:
        """Tell a caller that had to wait that its wait is over."""
        if self.has_waited:
            await self.deliver(TAKEN)

    def while_wanted(self) -> trio.CancelScope:
        """The scope for all waiting on the caller's behalf: it ends when the caller leaves."""
        return self._scope

    async def deliver(self, events: Batch) -> None:
        """Hand events on. Blocks while the caller is busy with the last ones."""
        try:
            await self._sender.send(events)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()  # abandoned: this is where the scope ends it

    def finish(self, error: TrioproxyError | None = None) -> None:
        """The last event has been handed on, or none will be. Only the first call counts."""
        if not self._is_finished:
            self._is_finished = True
            self.error = error
            self._sender.close()


class Desk(Protocol):
    """The part of a pool that a caller deals with through its `Answer`."""

    async def wait_taken(self, job: Job) -> None:
        """Wait until a worker has the turn."""
        ...

    def leave(self, job: Job) -> None:
        """The caller is done with the turn, or gives it up."""
        ...


class Answer:
    """The caller's hold on its turn: `with pool.submit(turn) as answer`.

    Leaving the block, at any point and in any way, gives the turn up.
    """

    def __init__(self, job: Job, desk: Desk) -> None:
        self._job = job
        self._desk = desk

    @property
    def worker_id(self) -> str | None:
        """The short id of the worker that answers; None while waiting for one."""
        return self._job.worker_id

    async def wait_taken(self) -> None:
        """Wait until a worker has the turn. Raises `CapacityError` or `BootFailed`."""
        await self._desk.wait_taken(self._job)

    async def receive(self) -> Batch | None:
        """The next events, never empty; None after the last. Raises what went wrong."""
        while (batch := await self._job.receive()) == TAKEN:
            pass
        if batch is None and self._job.error is not None:
            raise self._job.error
        return batch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        batch = await self.receive()
        if batch is None:
            raise StopAsyncIteration
        return batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._desk.leave(self._job)
