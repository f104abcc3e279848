"""The results as tables, and as plots."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _distributions
from bench.cases import BY_HAND, Found
from bench.series import Figure, Series
from bench.targets import targets
from pool_performance_test import Machine

_COLUMNS = 3


def tables(found: Found) -> Iterator[str]:
    """The numbers, a line each, and then what was wanted."""
    case = ""
    for one in found:
        if one.case != case:
            case = one.case
            yield ""
            yield _head(one)
        yield _row(one)
    yield ""
    for target in targets(found):
        mark = "met   " if target.is_met else "MISSED"
        yield f"{mark}  {target.what}: {target.figure}"


def _head(one: Series | Figure) -> str:
    if isinstance(one, Figure):
        return one.case
    columns = ("answers", "/s", "first p50", "last p50", "last p99", "CPU")
    return f"{one.case:<34}" + "".join(f"{column:>11}" for column in columns)


def _row(one: Series | Figure) -> str:
    if isinstance(one, Figure):
        return f"  {one.name:<40} {one.value:>10,.1f} {one.unit}"
    failed = sum(one.failures.values())
    told = f"  {failed} FAILED: {next(iter(one.failures))}" if failed else ""
    if not one.answered:
        return f"  {one.contender:<32} none answered{told}"
    cpu = _ms(sorted(one.cpu)[len(one.cpu) // 2]) if one.cpu else ""
    columns = (
        f"{one.answered:,}",
        f"{one.rate:,.1f}",
        _ms(one.p50("first")),
        _ms(one.p50("whole")),
        _ms(one.p99("whole")),
        cpu,
    )
    return f"  {one.contender:<32}" + "".join(f"{column:>11}" for column in columns) + told


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"


def save_picture(found: Found, machine: Machine, file: Path) -> None:
    """Draw what can be compared, in the format that the name of the file ends in."""
    by_case: dict[str, list[Series]] = {}
    for one in found:
        if isinstance(one, Series) and one.answered and not one.case.startswith("pace"):
            by_case.setdefault(one.case, []).append(one)
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
    values = [one.rate if is_rate else 1000 * one.p50("whole") for one in series]
    names = [one.contender for one in series]
    colours = ["#8a93a3" if one.contender == BY_HAND else "#2456b8" for one in series]
    bars = axes.barh(names, values, color=colours)
    axes.bar_label(bars, [f"{value:,.1f}" for value in values], padding=3, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(labelsize=7)
    axes.set_xticks([])
    unit = "answers a second" if is_rate else "ms to the last byte, p50"
    axes.set_title(f"{case}: {unit}", fontsize=8, loc="left")
