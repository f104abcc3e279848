"""The figures of a contest, for people: as text, or as a picture."""

from collections.abc import Iterator
from pathlib import Path

import _distributions
from _comparison import POOLED, Case, Result, targets

_MEGABYTE = 1_000_000


def tables(result: Result) -> Iterator[str]:
    """All the numbers, side by side."""
    yield _row("requests/s", result.servers)
    yield from (_row(str(case), _rates(result, case)) for case in result.cases)
    yield from ("", _row("p50 / p99 in ms", result.servers))
    yield from (_row(str(case), _latencies(result, case)) for case in result.cases)
    yield from ("", *_memory(result))
    yield from ("", *_crowd(result))
    yield from ("", *_reuse(result))
    yield from ("", *_recoveries(result))
    yield from ("", *conclusions(result))


def conclusions(result: Result) -> Iterator[str]:
    """What was wanted, and what it came to."""
    for target in targets(result):
        yield f"{'ok' if target.is_met else 'MISSED':<7} {target.what:<50} {target.figure}"


def _row(name: str, columns: tuple[str, ...]) -> str:
    return f"{name:<30}" + "".join(f"{column:>18}" for column in columns)


def _rates(result: Result, case: Case) -> tuple[str, ...]:
    return tuple(
        f"{result.of(server, case).rate:,.1f}"
        + (f" {result.times(server, case):>5.1f}x" if server != POOLED else "")
        for server in result.servers
    )


def _latencies(result: Result, case: Case) -> tuple[str, ...]:
    every = (result.of(server, case) for server in result.servers)
    return tuple(f"{1000 * item.p50:,.1f} / {1000 * item.p99:,.1f}" for item in every)


def _memory(result: Result) -> Iterator[str]:
    name = f"MB, {result.simultaneous} requests at once"
    yield _row(name, ("at rest", "peak", "growth"))
    for item in result.memory:
        sizes = (item.at_rest, item.peak, item.growth)
        yield _row(item.server, tuple(f"{size / _MEGABYTE:,.1f}" for size in sizes))


def _crowd(result: Result) -> Iterator[str]:
    crowd = result.crowd
    yield _row("a crowd", ("answered", "failed", "requests/s", "p50 / p99 in ms"))
    failed = sum(crowd.failures.values())
    latency = f"{1000 * crowd.p50:,.0f} / {1000 * crowd.p99:,.0f}"
    columns = (f"{crowd.answered}", f"{failed}", f"{crowd.rate:,.1f}", latency)
    yield _row(f"{crowd.case}", columns)


def _reuse(result: Result) -> Iterator[str]:
    yield _row("connections", ("requests", "opened", "used again"))
    for name, item in result.reuse.items():
        columns = (f"{item['requests']:,}", f"{item['connections_created']:,}")
        yield _row(f"to {name}", (*columns, f"{item['reuse_rate'] or 0:.1%}"))


def _recoveries(result: Result) -> Iterator[str]:
    yield f"{'the upstream ...':<48} {'expected':<28} got"
    for recovery in result.recoveries:
        mark = "" if recovery.is_ok else "  WRONG"
        yield f"... {recovery.what:<44} {recovery.expected:<28} {recovery.got}{mark}"


def save_picture(result: Result, file: Path) -> None:
    """Draw bars, in the format that the name of the file ends in."""
    figure = _distributions.figure_class()(figsize=(11, 8), layout="constrained")
    rates, latencies = figure.subplots(2)
    width = 0.8 / len(result.servers)
    for place, server in enumerate(result.servers):
        figures = [result.of(server, case) for case in result.cases]
        offset = width * (place - (len(result.servers) - 1) / 2)
        left = [at + offset for at in range(len(figures))]
        rates.bar(left, [item.rate for item in figures], width, label=server)
        latencies.bar(left, [1000 * item.p50 for item in figures], width)
    for axes, title in (rates, "requests a second"), (latencies, "p50 in ms"):
        axes.set_yscale("log")
        axes.set_xticks(range(len(result.cases)), [_label(case) for case in result.cases])
        axes.set(title=title)
    figure.legend(
        *rates.get_legend_handles_labels(), loc="outside upper center", ncols=len(result.servers)
    )
    figure.savefig(file, dpi=150)


def _label(case: Case) -> str:
    return str(case).replace(", ", "\n")
