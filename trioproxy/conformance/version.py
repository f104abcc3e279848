"""Which CLI it is, and whether the tests ran with one as new."""

import re
from collections.abc import Mapping
from contextlib import suppress

import trio

from trioproxy.pool import program

TESTED = "2.1.329"
"""The newest CLI that the tests of this version ran with."""

_TIMEOUT = 10.0  # seconds


def is_newer(version: str) -> bool:
    """Whether a CLI is newer than the tests know. One that says something else is not."""
    found, tested = _parts(version), _parts(TESTED)
    return bool(found) and found > tested


def _parts(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def newer(version: str) -> str:
    """What is to be told of a CLI that is newer than the tests know; empty: nothing."""
    if not is_newer(version):
        return ""
    return (
        f"This Claude CLI ({version}) is newer than the one that this server was tested with "
        f"({TESTED}): `trioproxy doctor --deep` tries what it relies on."
    )


async def read_version(binary: str, environ: Mapping[str, str]) -> str:
    """What the CLI calls its version, such as "2.1.329"; empty: it does not say."""
    with trio.move_on_after(_TIMEOUT), suppress(OSError):
        ran = await program.run([binary, "--version"], environ)
        return ran.out.partition(" ")[0] if ran.status == 0 else ""
    return ""
