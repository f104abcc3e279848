"""Distributions of times, along one logarithmic axis: drawn in text, or saved as a picture."""

import importlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Seconds, by the name of what took them.
Series = Mapping[str, Sequence[float]]

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BINS = 60  # of a picture
_PLAIN = str.maketrans("▁▂▃▄▅▆▇█─┬", "..::||##-+")


def draw(series: Series, *, width: int = 76, height: int = 4) -> list[str]:
    """The lines of a drawing, one series above the other, each as high as its fullest column."""
    ticks = _ticks_of(series)
    low, high = ticks[0], ticks[-1]
    lines = []
    for name, item in series.items():
        columns = [column_of(time, low, high, width) for time in item]
        lines += [_name(name, item), *_bars([columns.count(i) for i in range(width)], height)]
    return [*lines, *_axis(ticks, width)]


def plain(line: str) -> str:
    """The same in ASCII."""
    return line.translate(_PLAIN)


def figure_class() -> Any:  # noqa: ANN401 - matplotlib is an extra: it is not always there
    """What `save` draws on. Raises `ImportError` without matplotlib."""
    return importlib.import_module("matplotlib.figure").Figure


def save(series: Series, file: Path, title: str) -> None:
    """Draw a picture, in the format that the name of the file ends in."""
    ticks = _ticks_of(series)
    bins = [ticks[0] * (ticks[-1] / ticks[0]) ** (i / _BINS) for i in range(_BINS + 1)]
    figure = figure_class()(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, times in series.items():
        axes.hist(times, bins=bins, alpha=0.7, label=_name(name, times))
    axes.set_xscale("log")
    axes.set_xticks(ticks, [_label(tick) for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set(title=title, xlabel="time to the whole answer", ylabel="requests")
    axes.legend()
    figure.savefig(file, dpi=150)


def _name(name: str, times: Sequence[float]) -> str:
    return f"{name} ({len(times)})"


def _ticks_of(series: Series) -> list[float]:
    times = [time for item in series.values() for time in item]
    return ticks_around(min(times), max(times))


def ticks_around(low: float, high: float) -> list[float]:
    """The numbers 1, 2 and 5 times a power of ten, from below `low` to above `high`."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return [
        step
        for before, step, after in zip([0.0, *steps], steps, [*steps[1:], math.inf], strict=False)
        if after > low and before <= high
    ]


def column_of(time: float, low: float, high: float, width: int) -> int:
    """Where a time is on the axis."""
    return min(width - 1, int(width * math.log(time / low) / math.log(high / low)))


def _bars(counts: Sequence[int], height: int) -> list[str]:
    """Rows from the top down, in eighths of a row; the fullest column reaches the top."""
    full = 8 * height
    levels = [math.ceil(full * count / max(counts)) for count in counts]
    return [
        "".join(_EIGHTHS[max(0, min(8, level - 8 * row))] for level in levels).rstrip()
        for row in reversed(range(height))
    ]


def _axis(ticks: Sequence[float], width: int) -> list[str]:
    """The axis, and the times written below it where there is room."""
    columns = [column_of(tick, ticks[0], ticks[-1], width) for tick in ticks]
    marks = "".join("┬" if column in columns else "─" for column in range(width))
    labels = ""
    for tick, column in zip(ticks, columns, strict=True):
        label = _label(tick)
        at = min(column, width - len(label))
        if not labels or at > len(labels):
            labels = labels.ljust(at) + label
    return [marks, labels]


def _label(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{1000 * seconds:g} ms"
