"""`scripts/bench/run`: what it makes of its numbers, and a run of it."""

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from tests.scripts import SCRIPTS, Run, assert_in_order, environment

CASES = [
    "latency",
    "throughput",
    "modes",
    "prompts",
    "mix",
    "history",
    "chats",
    "pace",
    "pool",
    "memory",
]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The program's own, by name."""
    monkeypatch.syspath_prepend(SCRIPTS)
    names = ("round", "cases", "series", "targets", "report")
    return {name: import_module(f"bench.{name}") for name in names}


def result(*whole: float, rate: float = 1.0, first: float = 0.0, **more: Any) -> dict[str, Any]:
    """A round, as a child tells it."""
    firsts = [first or time for time in whole]
    return {
        "rate": rate,
        "whole": list(whole),
        "first": firsts,
        "deltas": [],
        "failures": {},
    } | more


def test_a_rate_is_that_of_the_steady_part(modules: dict[str, ModuleType]) -> None:
    round_ = modules["round"]
    turn = round_.Turn(0.1, 0.2, [])
    outcome = round_.Outcome(10.0, [(number / 2, turn) for number in range(41)])
    assert outcome.as_json()["rate"] == 17 / 8  # those from 2 to 10 s, in 8 s
    few = round_.Outcome(10.0, [(4.0, turn), (8.0, turn)])
    assert few.as_json()["rate"] == 2 / 8
    assert round_.Outcome(10.0).as_json()["rate"] == 0


def test_a_bout_ends_by_its_turns_or_by_its_time(modules: dict[str, ModuleType]) -> None:
    round_ = modules["round"].Round
    assert [round_(1, [], turns=2).is_over(done, 99.0) for done in (0, 1, 2)] == [
        False,
        False,
        True,
    ]
    assert [round_(1, [], seconds=3.0).is_over(99, at) for at in (0, 2.9, 3)] == [
        False,
        False,
        True,
    ]


def test_what_one_takes_longer_is_compared_round_by_round(modules: dict[str, ModuleType]) -> None:
    series = modules["series"]
    ours = series.Series("c", "ours", [result(0.012), result(0.112), result(0.014)])
    limit = series.Series("c", "by hand", [result(0.010), result(0.110), result(0.010)])
    assert series.later(ours, limit, "whole") == pytest.approx(0.002)
    assert ours.p50("whole") == 0.014


def test_a_lag_is_what_the_pace_does_not_want(modules: dict[str, ModuleType]) -> None:
    deltas = [[0.50, 0.52, 0.57, 0.56], [9.00, 9.02]]
    found = modules["series"].lags([result(1.0, deltas=deltas)], 50.0)
    assert found == pytest.approx([0, 0, 0.03, 0, 0, 0])


def results(modules: dict[str, ModuleType], *, slow: float) -> list[Any]:
    """A run in which this server is so many times as slow as it may be."""
    series, figure = modules["series"].Series, modules["series"].Figure
    cases = modules["cases"]
    short, paced = "latency, short answers", f"pace, {cases.STREAMS} streams"
    late = 0.0019 * slow
    busy = "throughput, 2 processes"
    return [
        series(short, cases.BY_HAND, [result(0.020, first=0.015)]),
        series(short, cases.WHOLE, [result(0.020 + 0.0029 * slow)]),
        series(
            short, cases.STREAMED, [result(0.020 + 0.0029 * slow, first=0.015 + 0.0019 * slow)]
        ),
        series("latency, long answers", cases.STREAMED, [result(1.0)], [0.0049 * slow]),
        series(busy, cases.BY_HAND, [result(1.0, rate=10)]),
        *(
            series(busy, f"{name}, 4 clients", [result(1.0, rate=9.1 / slow)])
            for name in (cases.WHOLE, cases.STREAMED)
        ),
        series(paced, cases.BY_HAND, [result(1.0, deltas=[[0.0, 0.02, 0.04]])]),
        series(paced, cases.STREAMED, [result(1.0, deltas=[[0.0, 0.02 + late, 0.04 + late]])]),
        series("modes, 1 client", "pooled", [result(0.1 * slow)]),
        series("modes, 1 client", cases.DISABLED, [result(0.81)]),
        series("modes, 4 clients", "pooled", [result(0.1, rate=5.1 / slow)]),
        series("modes, 4 clients", cases.DISABLED, [result(0.1, rate=1)]),
        series("prompts, 1 client", "the same", [result(0.06)]),
        series("prompts, 1 client", "new each time", [result(0.16 * slow)]),
        series("prompts, 1 client", "new each time, by hand", [result(0.14)]),
        series("prompts, 1 client", cases.DISABLED, [result(0.81)]),
        *(
            series(f"mix, {processes} processes, 4 clients", name, [result(0.1, rate=rate)])
            for processes in (4, 10)
            for name, rate in (
                ("1 prompt", 10.0),
                ("20 prompts", 8.1 / slow),
                ("200 prompts", 5.1 / slow),
            )
        ),
        figure("mix, 10 processes, 4 clients", cases.STARTED, float(slow > 1), ""),
        series("chat, turn 100", cases.WHOLE, [result(0.03 * slow)]),
        series("chat, turn 100", cases.BY_HAND, [result(0.026)]),
        series("chat, turn 100", cases.FIRST, [result(0.02)]),
        series("an agent's loop, turn 100", cases.WHOLE, [result(0.07 * slow)]),
        series("an agent's loop, turn 100", cases.FIRST, [result(0.02)]),
        figure("pool", "a turn, 1 waiter", 49.0 * slow, "µs"),
        figure("pool", "a turn, 10 waiters", 49.0 * slow, "µs"),
        figure("pool", "a turn, 10,000 waiters", 50.0 * slow, "µs"),
        figure("pool", "for scale: a checkpoint", 4.0, "µs"),
        figure("memory", "server at rest", 59.0 * slow, "MB"),
        figure("memory", "server after 2,000 turns", 60.0, "MB"),
        figure("memory", "server after 10,000 turns", 60.0 + 1.9 * slow, "MB"),
    ]


@pytest.mark.parametrize(("slow", "is_met"), [(1.0, True), (1.3, False)])
def test_each_target_is_met_or_missed(
    modules: dict[str, ModuleType], slow: float, *, is_met: bool
) -> None:
    found = list(modules["targets"].targets(results(modules, slow=slow)))
    assert len(found) == 17
    assert [target.what for target in found if target.is_met is not is_met] == []


def test_what_was_not_measured_is_no_target(modules: dict[str, ModuleType]) -> None:
    every = results(modules, slow=1.0)
    assert list(modules["targets"].targets([])) == []
    some = list(modules["targets"].targets(every[:3]))
    assert [target.figure for target in some] == ["2.9 ms", "1.9 ms", "2.9 ms"]


def test_the_tables_tell_of_failures(modules: dict[str, ModuleType]) -> None:
    series = modules["series"].Series
    lines = list(
        modules["report"].tables(
            [
                series("a case", "one", [result(0.01, failures={"status 500": 2})], [0.002]),
                series("a case", "two", [result(failures={"no answer in time": 1})]),
            ]
        )
    )
    assert "  one " in lines[2]
    assert lines[2].endswith("10.0 ms    10.0 ms     2.0 ms  2 FAILED: status 500")
    assert lines[3].endswith("none answered  1 FAILED: no answer in time")


async def run(*options: str) -> Run:
    with trio.fail_after(100):
        done = await trio.run_process(
            [sys.executable, SCRIPTS / "bench" / "main.py", *options],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment({"PYTHONPATH": str(SCRIPTS)}),
        )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.real
@pytest.mark.long
async def test_the_server_is_compared_with_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    ran = await run("--quick", f"--json={file}", "latency", "pool")
    assert ran.status == 0, ran.err
    assert ran.err.splitlines() == [
        f"{name}: starting what is compared" for name in ("latency", "pool")
    ]
    time = r" +[\d,.]+ ms"
    assert_in_order(
        [
            r"^\d+ cores?, load",
            r"^latency, short answers +answers +/s +first p50 +last p50 +last p99 +CPU$",
            rf"^  by hand +2 +[\d.]+{time * 3} +$",
            rf"^  whole +2 +[\d.]+{time * 4}$",
            rf"^  streamed +2 +[\d.]+{time * 4}$",
            r"^latency, long answers",
            r"^  a turn, 10,000 waiters +[\d.]+ µs$",
            r"^(met   |MISSED)  a whole answer at most 3 ms later than by hand \(p50\): -?[\d.]+",
            r"^(met   |MISSED)  200 events cost the server",
        ],
        ran.out,
    )
    numbers = json.loads(file.read_text())
    assert len(numbers["series"]) == 6
    for item in numbers["series"]:
        assert item["failures"] == {}
        assert item["answered"] >= 2
        assert 0 < item["first"]["p50"] <= item["whole"]["p50"] <= item["whole"]["p99"] < 60
    assert all(0 < figure["value"] < 100_000 for figure in numbers["figures"])
    assert {"what", "figure", "is_met"} == set(numbers["targets"][0])


@pytest.mark.real
async def test_a_case_that_is_none_is_told() -> None:
    ran = await run("--check", "latency", "speed")
    assert (ran.status, ran.out) == (2, "")
    assert f"there is no case 'speed'; there are {', '.join(CASES)}, forward" in ran.err
