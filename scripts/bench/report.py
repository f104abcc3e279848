"""The results as tables, and as plots."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _distributions
from bench.cases import BY_HAND, Found
from bench.common import Machine
from bench.series import Figure, Series
from bench.targets import targets

_COLUMNS = 3


def tables(found: Found) -> Iterator[str]:
    """The numbers, a line each, and then what was wanted."""
    case = ""
    for item in found:
        if item.case != case:
            case = item.case
            yield ""
            yield _head(item)
        yield _row(item)
    yield ""
    for target in targets(found):
        mark = "met   " if target.is_met else "MISSED"
        yield f"{mark}  {target.what}: {target.figure}"


def _head(item: Series | Figure) -> str:
    if isinstance(item, Figure):
        return item.case
    columns = ("answers", "/s", "first p50", "last p50", "last p99", "CPU")
    return f"{item.case:<34}" + "".join(f"{column:>11}" for column in columns)


def _row(item: Series | Figure) -> str:
    if isinstance(item, Figure):
        return f"  {item.name:<40} {item.value:>10,.1f} {item.unit}"
    failed = sum(item.failures.values())
    failures = f"  {failed} FAILED: {next(iter(item.failures))}" if failed else ""
    if not item.answered:
        return f"  {item.contender:<32} none answered{failures}"
    cpu = _ms(sorted(item.cpu)[len(item.cpu) // 2]) if item.cpu else ""
    columns = (
        f"{item.answered:,}",
        f"{item.rate:,.1f}",
        _ms(item.p50("first")),
        _ms(item.p50("whole")),
        _ms(item.p99("whole")),
        cpu,
    )
    return f"  {item.contender:<32}" + "".join(f"{column:>11}" for column in columns) + failures


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"


def save_picture(found: Found, machine: Machine, file: Path) -> None:
    """Draw what can be compared, in the format that the name of the file ends in."""
    by_case: dict[str, list[Series]] = {}
    for item in found:
        if isinstance(item, Series) and item.answered and not item.case.startswith("pace"):
            by_case.setdefault(item.case, []).append(item)
    rows = max(1, math.ceil(len(by_case) / _COLUMNS))
    figure = _distributions.figure_class()(
        figsize=(6 * _COLUMNS, 1 + 1.9 * rows), layout="constrained"
    )
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (case, series) in zip(grid.flat, by_case.items(), strict=False):
        axes.set_axis_on()
        _draw(axes, case, series)
    figure.suptitle(f"trioproxy beside the CLI driven by hand (grey); {machine}", fontsize=10)
    figure.savefig(file, dpi=110)


def _draw(axes: Any, case: str, series: Sequence[Series]) -> None:  # noqa: ANN401 - matplotlib's
    is_rate = case.startswith("throughput") or case.endswith("4 clients")
    values = [item.rate if is_rate else 1000 * item.p50("whole") for item in series]
    names = [item.contender for item in series]
    colours = ["#8a93a3" if item.contender == BY_HAND else "#2456b8" for item in series]
    bars = axes.barh(names, values, color=colours)
    axes.bar_label(bars, [f"{value:,.1f}" for value in values], padding=3, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(labelsize=7)
    axes.set_xticks([])
    unit = "answers a second" if is_rate else "ms to the last byte, p50"
    axes.set_title(f"{case}: {unit}", fontsize=8, loc="left")
