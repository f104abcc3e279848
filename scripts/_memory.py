"""The memory of a process of this machine, as Linux tells it in /proc. All sizes in bytes."""

import re
from pathlib import Path

import psutil

_PROC = Path("/proc")


def is_told() -> bool:
    """Whether this system tells it."""
    return (_PROC / "self/clear_refs").exists()


def resident(pid: int) -> int:
    """What it has in memory."""
    size: int = psutil.Process(pid).memory_info().rss
    return size


def peak(pid: int) -> int:
    """The most that it had in memory since `forget_peak`."""
    return _size(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin at what it has now."""
    (_PROC / f"{pid}/clear_refs").write_text("5")


def biggest_child(pid: int) -> int:
    """Of a server, the process that answers: its other children are small."""
    return max((child.pid for child in psutil.Process(pid).children()), key=resident)


def _size(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", (_PROC / f"{pid}/status").read_text(), re.M)
    assert found is not None
    return 1024 * int(found[1])
