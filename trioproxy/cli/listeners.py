"""Who listens on a port, from /proc: known on Linux, for processes that this user may see."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def listener(port: int, proc: Path = Path("/proc")) -> str | None:
    """The program that listens on `port`, with its number; None if that is not known."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    for process in proc.glob("[0-9]*"):
        if sockets & set(_links(process / "fd")):
            return f"{_name(process)} (process {process.name})"
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    """The numbers of the sockets that listen on `port`."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # without IPv6, or without /proc
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                    yield rest[5]


def _links(directory: Path) -> Iterator[str]:
    """What a process has open, as far as this user may see it."""
    with suppress(OSError):
        for entry in directory.iterdir():
            with suppress(OSError):  # closed meanwhile
                yield os.readlink(entry)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
