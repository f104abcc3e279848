"""Processes that a script starts, and exchanges JSON lines with.

    async with open_child("_load.py") as child:
        result = await child.ask({"clients": 16})

A child runs in a session of its own, so Ctrl-C reaches the script alone. It ends with the block;
and since its standard input ends with the script, also where the script is killed.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from _serving import CannotRun
from attrs import define

_END = 5.0  # seconds for a killed process to be gone


@define(eq=False)
class Child:
    """A program that this script has started, and what it reports as JSON lines."""

    _name: str
    _process: trio.Process
    _rest: bytes = b""

    async def ask(self, question: object) -> Any:  # noqa: ANN401 - what JSON can say
        """Tell it something, and wait for what it tells. Raises `CannotRun`."""
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(json.dumps(question).encode() + b"\n")
        except trio.BrokenResourceError:
            raise self._is_gone() from None
        return await self.result()

    async def result(self) -> Any:  # noqa: ANN401 - as above
        """The next thing that it tells. Raises `CannotRun`."""
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                raise self._is_gone()
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def _is_gone(self) -> CannotRun:
        return CannotRun(f"{self._name} ended by itself; what it says of that stands above.")

    async def end(self) -> None:
        """Kill it and its own: they have nothing to put in order. Cannot be cancelled."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # and what it has started
        with trio.move_on_after(_END, shield=True):
            await self._process.wait()


@asynccontextmanager
async def open_child(
    script: str, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Child]:
    """A process that runs a script of this directory, for as long as the block lasts."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(Path(__file__).parent / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    child = Child(script, process)
    try:
        yield child
    finally:
        await child.end()  # noqa: ASYNC102 - it has a shield and a deadline
        await trio.aclose_forcefully(process.stdin)  # noqa: ASYNC102 - this does not wait
        await trio.aclose_forcefully(process.stdout)  # noqa: ASYNC102 - nor this
