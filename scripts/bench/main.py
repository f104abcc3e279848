"""Measure this server beside the limit: the Claude CLI driven by hand, with nothing between.

All of it is run here, on loopback, with the real CLI and a stand-in for the API, which answers at
once, or at a model's pace. The contenders are asked by turns, in short rounds, so that what else
this machine does meets all of them alike. What counts is how they compare in one run.

    latency     one client: what the server adds
    throughput  1 to 16 clients on 1, 2, 4 processes
    modes       the pool, a process for one request each, no pool at all
    prompts     the same system prompt, one that is known, a new one each time
    mix         1, 20 and 200 prompts at random, on 4 and 10 processes
    history     long conversations, long texts, many tools
    chats       conversations that go on: a long one, an agent's loop, 30 by turns
    pace        16 streams at the pace of a model
    pool        the pool alone, on workers in memory
    memory      after ten thousand turns
    forward     the forward proxy: see scripts/http_pool_test.py
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import http_pool_test
from _comparison import Result
from _comparison_report import tables as forward_tables
from _serving import CannotRun, run
from attrs import asdict
from bench.cases import CASES, QUICK, Bench, Found, Plan
from bench.common import Machine, Progress, new_file
from bench.contenders import check, open_field
from bench.report import save_picture, tables
from bench.series import Figure, Series
from bench.targets import targets

_FORWARD = "forward"

_EPILOG = """\
A whole run takes about a quarter of an hour, most of it for memory; with --quick, half a minute,
which says nothing but that it works. Exit status: 0; 1 with --check if a target was missed or a
request failed; 2 if it could not measure.
"""


async def measure(names: list[str], plan: Plan, progress: Progress) -> Found:
    """The cases, one after the other."""
    found: Found = []
    async with open_field() as field:
        bench = Bench(field, plan, progress)
        for name in names:
            progress.stage(f"{name}: starting what is compared")
            found += await CASES[name](bench)
    return found


async def main(options: argparse.Namespace) -> int:
    """Measure, and report."""
    if (reason := check()) is not None:
        raise CannotRun(reason)
    http_pool_test.check_extra(["matplotlib"] * (options.png is not None))
    machine, begun = Machine(), datetime.now(UTC).isoformat(timespec="seconds")
    progress = Progress(sys.stderr)
    plan = QUICK if options.quick else Plan()
    expected = options.cases or [*CASES, _FORWARD]
    try:
        forward = await measure_forward(options, progress) if _FORWARD in expected else None
        found = await measure([name for name in CASES if name in expected], plan, progress)
    finally:
        progress.step("")
    print(f"{machine}")
    print("\n".join(tables(found)))
    if forward is not None:
        print("\nThe forward proxy, by requests of 2 KB")
        print("\n".join(forward_tables(forward)))
    if options.json is not None:
        result = {"begun": begun, "machine": asdict(machine), **as_json(found)}
        result["forward"] = forward and forward.as_json()
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.png is not None:
        save_picture(found, machine, options.png)
    return int(options.check and not is_met(found))


async def measure_forward(options: argparse.Namespace, progress: Progress) -> Result:
    """The forward proxy; what is wanted of it is its own script's to check."""
    http_pool_test.check_extra([*http_pool_test.EXTRA])
    plan = http_pool_test.QUICK if options.quick else http_pool_test.Plan(seconds=0.4, rounds=3)
    return await http_pool_test.measure(plan, progress)


def is_met(found: Found) -> bool:
    """Whether all is as it should be."""
    failed = any(isinstance(result, Series) and result.failures for result in found)
    return not failed and all(target.is_met for target in targets(found))


def as_json(found: Found) -> dict[str, Any]:
    """All the numbers; times in seconds."""
    return {
        "series": [result.as_json() for result in found if isinstance(result, Series)],
        "figures": [asdict(result) for result in found if isinstance(result, Figure)],
        "targets": [asdict(target) for target in targets(found)],
    }


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/run",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*CASES, _FORWARD]
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help="what to measure (default: all of them)")
    add("--check", action="store_true", help="exit with 1 if a target is missed")
    add("--quick", action="store_true", help="measure hardly anything: to try the script itself")
    add("--json", type=new_file, metavar="FILE", help="save the numbers, times in seconds")
    add("--png", type=new_file, metavar="FILE", help="save a picture")
    options = parser.parse_args()
    for name in options.cases:
        if name not in names:
            parser.error(f"there is no case {name!r}; there are {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(run(partial(main, parse_options())))
