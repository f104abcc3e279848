"""What the measuring scripts share: the machine, progress, percentiles, options."""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from attrs import define, field, frozen

import trioproxy


def percentile(times: Sequence[float], share: float) -> float:
    """By nearest rank, as /pool/stats has it."""
    return sorted(times)[round(share * (len(times) - 1))]


@frozen
class Machine:
    """What the numbers depend on."""

    cores: int = field(factory=lambda: os.cpu_count() or 1)
    load: float = field(factory=lambda: os.getloadavg()[0])
    system: str = field(factory=platform.platform)
    python: str = field(factory=platform.python_version)
    trioproxy: str = trioproxy.__version__

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' * (self.cores > 1)}"
        return f"{cores}, load {self.load:.1f} before the run, Python {self.python}"


@define
class Progress:
    """How far it is: a line that changes on a terminal, in a pipe a line at each stage."""

    _stream: TextIO

    def stage(self, text: str) -> None:
        """Something else begins."""
        if self._stream.isatty():
            self.step(text)
        else:
            print(text, file=self._stream, flush=True)

    def step(self, text: str) -> None:
        """It goes on: shown on a terminal only."""
        if self._stream.isatty():
            print(f"\r\x1b[K{text}", end="", file=self._stream, flush=True)


def positive(text: str) -> int:
    """A number of requests or clients."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def duration(text: str) -> float:
    """A number of seconds."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return seconds


def new_file(text: str) -> Path:
    """A file that can be written."""
    file = Path(text)
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no directory {file.parent}")
    return file
