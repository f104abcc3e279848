"""What ends the processes when the server can no longer do it.

A process that is idle ends by itself when its pipes close; one in the middle of an answer goes
on for seconds (3.7 were seen) after the server was killed, and a stopped one for ever. So a
shell waits beside the pool, told of each process group as it comes and goes; when its own pipe
closes, whatever was the reason, it kills those that are left, and removes the private directory
that they worked in.

Rejected: `PR_SET_PDEATHSIG` fires when the *thread* that forked ends, and Trio forks in threads
that end after ten idle seconds.
"""

import os
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import trio

_SCRIPT = """
alive=' '
while read -r sign group; do
    case $sign in
        +) alive="$alive$group " ;;
        -) alive="${alive%% $group *} ${alive#* $group }" ;;
    esac
done
for group in $alive; do kill -KILL "-$group" 2>/dev/null; done
[ -z "$1" ] || rm -rf -- "$1"
exit 0
"""

_GRACE = 2.0


class Guard:
    """Keeps the list of process groups that must not outlive the server.

    A handful of bytes into a pipe that is read at once: nothing here blocks. A guard that somebody
    killed guards nothing, which is no reason to stop serving.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def watch(self, group: int) -> None:
        """From now on `group` ends with the server."""
        self._write(f"+ {group}\n")

    def forget(self, group: int) -> None:
        """`group` has been reaped: its number may soon be another's."""
        self._write(f"- {group}\n")

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(self._pipe, line.encode())


@asynccontextmanager
async def open_guard(private: str = "") -> AsyncGenerator[Guard]:
    """A guard that lives as long as the block; `private` is removed with everything in it."""
    ours, its = _pipe()
    try:
        shell = await trio.lowlevel.open_process(
            ["/bin/sh", "-c", _SCRIPT, "trioproxy-guard", private],
            stdin=its,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the server's terminal is not for the guard
        )
    finally:
        os.close(its)
    try:
        yield Guard(ours)
    finally:
        os.close(ours)
        with trio.move_on_after(_GRACE, shield=True):
            await shell.wait()
        if shell.returncode is None:
            shell.kill()


def _pipe() -> tuple[int, int]:
    """The ends of a pipe: for writing, which never blocks, and for reading."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    return writing, reading
