"""Scripts, run as an operator runs them."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import trio
from attrs import frozen

SCRIPTS = Path(__file__).parent.parent / "scripts"


SMALL = {"POOL_SETTINGS__MIN_SIZE": "1", "POOL_SETTINGS__BINDING": "any"}  # quick to start


@frozen
class Run:
    """How a script ended, and what it printed."""

    status: int
    out: str
    err: str


def environment(extra: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **extra}


async def run(name: str, *options: str, **env: str) -> Run:
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, SCRIPTS / name, *options],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(env),
        )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def assert_in_order(patterns: Iterable[str], text: str) -> None:
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(text, at)
        assert found is not None, f"{pattern!r} is not after:\n{text[:at][-500:]}\nbut:\n{text}"
        at = found.end()
