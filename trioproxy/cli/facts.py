"""Facts about this machine and its Python: the only part of the doctor that looks."""

import logging
import resource
import socket
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil


def versions(packages: Iterable[str]) -> Mapping[str, str | None]:
    """The versions that are installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def binding_error(host: str, port: int) -> OSError | None:
    """Why nobody can listen there now; None if one can."""
    try:
        # As the server does: a connection that has just ended is no hindrance.
        with socket.create_server((host, port)):
            return None
    except OSError as error:
        return error


def available_memory() -> int:
    """Bytes available to programs without swapping, in this container if it is one."""
    available = psutil.virtual_memory().available
    rest = _of_group(Path("/sys/fs/cgroup"))
    return available if rest is None else min(available, rest)


def _of_group(directory: Path) -> int | None:
    """The rest of what a container may have; None if it may have all."""
    try:
        limit, used = ((directory / f"memory.{name}").read_text() for name in ("max", "current"))
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):  # no such group, or "max"
        return None


def files_limit() -> int:
    """How many files a process of this user may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 2**63 - 1


@contextmanager
def pool_warnings() -> Generator[list[str]]:
    """The warnings of the pool for as long as the block lasts; nothing else is logged then."""
    lines: list[str] = []
    logger, handler = logging.getLogger("trioproxy"), _Lines(lines)
    handler.addFilter(logging.Filter("trioproxy.pool"))
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
