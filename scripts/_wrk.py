"""`wrk` as the load of a comparison: what readers know, and quicker than a client in Python.

It is used where it is installed (Debian: `apt install wrk`). It tells no single latency, so its
answer is a sample of 400 of their quantiles.
"""

import json
import subprocess
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import trio

_SHORTEST = 1.0  # seconds: it takes whole ones
_QUANTILES = 400

# Its figures are in microseconds.
_SCRIPT = (
    f"local count = {_QUANTILES}\n"
    """
done = function(summary, latency, requests)
  local quantiles = {}
  for i = 1, count do
    quantiles[i] = string.format("%.1f", latency:percentile(100 * (i - 0.5) / count))
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration": %d, "bytes": %d, "connect": %d, "read": %d, ' ..
    '"write": %d, "status": %d, "timeout": %d, "quantiles": [%s]}',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status,
    e.timeout, table.concat(quantiles, ",")))
end
"""
)
_ERRORS = ("connect", "read", "write", "status", "timeout")


def find() -> str | None:
    """The path of `wrk`; None if it is not installed."""
    return which("wrk")


def can_measure(seconds: float) -> bool:
    """Whether a round is long enough for it."""
    return seconds >= _SHORTEST


async def ask(wrk: str, url: str, *, clients: int, seconds: float, length: int) -> dict[str, Any]:
    """One round. `length`: bytes of a right answer's body.

    Returns `rate` per second, `answered`, `latencies` in seconds, and `failures` by their kind.
    """
    with TemporaryDirectory(prefix="trioproxy-") as directory:
        script = Path(directory, "done.lua")
        script.write_text(_SCRIPT)
        argv = [wrk, "--threads=1", f"--connections={clients}", f"--duration={round(seconds)}s"]
        argv += [f"--script={script}", "--timeout=10s", url]
        ran = await trio.run_process(argv, capture_stdout=True, stderr=subprocess.STDOUT)
    return outcome(ran.stdout.decode(), length)


def outcome(printed: str, length: int) -> dict[str, Any]:
    """What `ask` returns, from what wrk has printed."""
    result: dict[str, Any] = json.loads(printed.rpartition("RESULT ")[2])
    failures = {kind: result[kind] for kind in _ERRORS if result[kind]}
    if result["bytes"] < result["requests"] * length:
        failures["answers that are too short"] = 1
    answered = result["requests"] - result["status"]
    return {
        "rate": answered * 1e6 / max(result["duration"], 1),
        "answered": answered,
        "latencies": [quantile / 1e6 for quantile in result["quantiles"]] if answered else [],
        "failures": failures,
    }
