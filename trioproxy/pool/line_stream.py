"""The lines of a process, as one task reads them, and lines for it, written whole.

Whoever has the process reads: the worker while it boots, answers or is reset, and who listens
while it is idle. A process whose caller does not read has to wait, as it should.
"""

import trio

from trioproxy.claude.wire import Line, LineDecoder
from trioproxy.errors import ProcessDied, ProcessStalled, WireError
from trioproxy.pool.process import Pipes

_WRITE_UNIT = 10_000_000  # bytes: a CLI that is well takes 30 MB within a second
_STDERR_GRACE = 0.5  # a process that has closed its output may keep the other one open


class LineStream:
    """What a worker and its process say to each other. One task at a time may receive.

    `write_timeout`: seconds that a write may take, and as long again for each 10 MB of it.
    """

    def __init__(self, pipes: Pipes, max_line_size: int, write_timeout: float = 10.0) -> None:
        self.pipes = pipes
        self._write_timeout = write_timeout
        self._decoder = LineDecoder(max_line_size)
        self._fault: WireError | None = None

    async def receive(self) -> list[Line]:
        """The lines of the next read, which may be none yet. Cancelled, it loses none.

        Raises `ProcessDied` at the end of the output, or `WireError`.
        """
        if self._fault is not None:
            raise self._fault.again()
        data = await self.pipes.receive_some()
        if data:
            return self._decoded(data)
        with trio.move_on_after(_STDERR_GRACE):
            await self.pipes.wait_stderr_closed()
        raise self._died()

    def receive_nowait(self) -> list[Line]:
        """The lines that are there. Raises as `receive` does."""
        if self._fault is not None:
            raise self._fault.again()
        found: list[Line] = []
        while (data := self.pipes.receive_nowait()) is not None:
            if not data:
                raise self._died()
            found += self._decoded(data)
        return found

    def _decoded(self, data: bytes) -> list[Line]:
        try:
            return self._decoder.feed(data)
        except WireError as fault:  # for good, whoever reads next
            self._fault = fault
            raise

    def _died(self) -> ProcessDied:
        return ProcessDied("The Claude CLI process ended unexpectedly.", detail=self.printed())

    def printed(self) -> str:
        """What the process wrote to stderr, as a sentence."""
        words = self.pipes.stderr_tail()
        return f"It printed: {words}" if words else "It printed nothing."

    async def send(self, data: bytes) -> None:
        """Write everything: a line that is cut short by a client's leaving would end the process.

        Raises `ProcessStalled` when the process does not take it.
        """
        if not data:
            return
        timeout = self._write_timeout * (1 + len(data) / _WRITE_UNIT)
        with trio.move_on_after(timeout, shield=True):
            await self.pipes.send_all(data)
            return
        raise ProcessStalled("The Claude CLI process stopped reading its input.")
