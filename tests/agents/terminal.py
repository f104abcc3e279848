"""A terminal, and a person at it: types, and waits for words to appear."""

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition, Thread

from attrs import define, field

from tests.agents.runner import TIMEOUT, Ended, Place, end

LINES = 40
COLUMNS = 120
_CONTROL = re.compile(
    rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78]"
)


@define
class Terminal:
    """A program in a terminal of its own."""

    process: "subprocess.Popen[bytes]"
    _keys: int
    """The file descriptor of the person's side."""
    _written: bytearray = field(factory=bytearray)
    _seen: int = 0
    _more: Condition = field(factory=Condition)

    def wait_for(self, words: str) -> None:
        """Wait until these have appeared behind what was waited for before.

        Spaces count for nothing: a program moves the cursor instead of writing them.
        """
        expected = "".join(words.split())
        with self._more:
            if not self._more.wait_for(lambda: expected in self._unseen(), TIMEOUT):
                raise TimeoutError(f"{words!r} never appeared: {self._unseen()[-500:]}")
            self._seen += self._unseen().index(expected) + len(expected)

    def type(self, words: str) -> None:
        """Type it, and press Enter once it is on the screen."""
        os.write(self._keys, words.encode())
        self.wait_for(words)
        os.write(self._keys, b"\r")

    def press_escape(self) -> None:
        os.write(self._keys, b"\x1b")

    def close(self) -> Ended:
        """Wait for its end."""
        return Ended(self.process.wait(TIMEOUT), self._all(), "")

    def _unseen(self) -> str:
        return self._all()[self._seen :]

    def _all(self) -> str:
        text = _CONTROL.sub(b"", bytes(self._written)).decode(errors="replace")
        return "".join(text.split())

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._keys, 65536)
            except OSError:  # so Linux says that nobody has the other side
                return
            with self._more:
                self._written += chunk
                self._more.notify_all()


@contextmanager
def terminal(
    place: Place, command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run a program in a terminal for as long as the block lasts."""
    keys, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=place.work,
        env={**place.environ(), **environ, "TERM": "xterm-256color"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    opened = Terminal(process, keys)
    reader = Thread(target=opened._read, name="terminal")
    reader.start()
    try:
        yield opened
    finally:
        end(process, reader)
        os.close(keys)
