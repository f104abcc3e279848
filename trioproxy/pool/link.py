"""The lines of a process: read always, so that its pipes never fill up, and written whole."""

from collections.abc import Callable

import trio

from trioproxy.claude.wire import Line, LineDecoder
from trioproxy.errors import ProcessDied, ProcessStalled, TrioproxyError
from trioproxy.pool.process import Pipes

# A CLI that is well takes 30 MB within a second; this only has to end some time.
_WRITE_TIMEOUT = 10.0
_LAST_WORDS = 0.5  # a process that has closed its output may keep the other one open


class Link:
    """What a worker and its process say to each other.

    `listener` is asked, while it is set, to take lines that nobody is waiting for: those of a
    process that is idle. It is told of the end by an empty list.
    """

    def __init__(self, pipes: Pipes, max_line_size: int) -> None:
        self.pipes = pipes
        self.listener: Callable[[list[Line]], None] | None = None
        self._decoder = LineDecoder(max_line_size)
        self._sender, self._receiver = trio.open_memory_channel[list[Line]](0)
        self._end: TrioproxyError | None = None

    async def read(self) -> None:
        """Read to the end of the output."""
        with self._sender:
            try:
                while data := await self.pipes.receive_some():
                    lines = self._decoder.feed(data)
                    if self.listener is not None:
                        self.listener(lines)
                    else:
                        await self._sender.send(lines)
            except TrioproxyError as error:
                self._end = error
            with trio.move_on_after(_LAST_WORDS):
                await self.pipes.wait_last_words()
        if self.listener is not None:
            self.listener([])

    async def receive(self) -> list[Line]:
        """The lines of the next read. Raises `ProcessDied` or `WireError` when there are none."""
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            raise self._died() from None

    def receive_late(self) -> list[Line]:
        """The lines that have been read and not received. Raises as `receive` does."""
        found: list[Line] = []
        try:
            while True:
                found += self._receiver.receive_nowait()
        except trio.WouldBlock:
            return found
        except trio.EndOfChannel:
            raise self._died() from None

    def _died(self) -> TrioproxyError:
        if self._end is not None:
            return self._end
        return ProcessDied("The Claude CLI process ended unexpectedly.", detail=self.printed())

    def printed(self) -> str:
        """What the process said of itself, as a sentence."""
        words = self.pipes.last_words()
        return f"It printed: {words}" if words else "It printed nothing."

    async def send(self, data: bytes) -> None:
        """Write everything: a line that is cut short by a client's leaving would end the process.

        Raises `ProcessStalled` when the process does not take it.
        """
        if not data:
            return
        with trio.move_on_after(_WRITE_TIMEOUT, shield=True):
            await self.pipes.send_all(data)
            return
        raise ProcessStalled("The Claude CLI process does not read its input.")
