"""A program that is run to its end, and what it prints."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

import trio
from attrs import frozen


@frozen
class Ran:
    """How a program has ended: its status, and what it printed to its output."""

    status: int
    out: str


async def run(argv: Sequence[str], environ: Mapping[str, str]) -> Ran:
    """Run a program to its end; OSError if it is none.

    It is killed if this is cancelled, with all that it has started.
    """
    done = await trio.run_process(
        argv,
        capture_stdout=True,
        stderr=subprocess.DEVNULL,
        check=False,
        deliver_cancel=_kill_group,
        env=environ,
        start_new_session=True,
    )
    return Ran(done.returncode, done.stdout.decode(errors="replace").strip())


async def _kill_group(process: trio.Process) -> None:  # noqa: ASYNC124 - as Trio calls it
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
