"""wrk as the load of the forward comparison: what becomes of its output."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parent.parent / "scripts" / "_wrk.py"


@pytest.fixture(scope="module")
def wrk() -> Any:
    spec = importlib.util.spec_from_file_location("_wrk", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(**fields: object) -> str:
    errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
    result = {"requests": 1000, "duration": 2_000_000, "bytes": 500_000, **errors, **fields}
    return f"Running 2s test @ http://127.0.0.1:1/\n...\nRESULT {json.dumps(result)}"


def test_wrk_output_is_a_rate_and_latencies_in_seconds(wrk: Any) -> None:
    outcome = wrk.outcome(printed(quantiles=[800.0, 1200.5]), length=400)
    assert outcome == {
        "rate": 500.0,
        "answered": 1000,
        "latencies": [0.0008, 0.0012005],
        "failures": {},
    }


def test_wrk_errors_are_failures_and_no_answers(wrk: Any) -> None:
    outcome = wrk.outcome(printed(quantiles=[1.0], status=200, timeout=3), length=400)
    assert (outcome["answered"], outcome["rate"]) == (800, 400.0)
    assert outcome["failures"] == {"status": 200, "timeout": 3}


def test_wrk_answers_that_are_too_short_are_a_failure(wrk: Any) -> None:
    outcome = wrk.outcome(printed(quantiles=[1.0]), length=501)
    assert outcome["failures"] == {"answers that are too short": 1}


def test_wrk_needs_a_second(wrk: Any) -> None:
    assert [wrk.can_measure(seconds) for seconds in (0, 0.4, 1.0, 5)] == [False, False, True, True]
