"""`scripts/http_pool_test.py`, run as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import trio

from tests.scripts import SCRIPTS, assert_in_order, environment, run

pytestmark = pytest.mark.real

NGINX = ["nginx"] * (which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin") is not None)
SERVERS = ["pooled", "per request", "shared TLS", "fastapi", *NGINX]
ROW = r" +[\d,.]+" + r" +[\d,.]+ +[\d,.]+x" * (len(SERVERS) - 1) + "$"


@pytest.mark.long
async def test_servers_are_compared_and_faults_got_over(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    ran = await run("http_pool_test.py", "--quick", f"--json={file}")
    assert ran.status == 0, ran.err
    assert_in_order(
        [r"^Starting", r"^First", r"^Memory", r"^Round 1 of 1", r"^100 clients", r"^Faults"],
        ran.err,
    )
    assert_in_order(
        [
            r"^requests/s +pooled +per request +shared TLS +fastapi",
            rf"^http, 1 client{ROW}",
            rf"^https, 10 clients{ROW}",
            rf"^http held 50 ms, 10 clients{ROW}",
            r"^p50 / p99 in ms +pooled",
            r"^http, 1 client( +[\d,.]+ / [\d,.]+){4,5}$",
            r"^MB, 10 requests at once +at rest +peak +growth$",
            r"^per request( +[\d,.]+){3}$",
            r"^http held 50 ms, 100 clients +1\d\d +0 ",
            r"^connections +requests +opened +used again$",
            r"^to plain +[\d,]+ +\d+ +\d+\.\d%$",
            r"^the upstream \.\.\. +expected +got$",
            r"^\.\.\. closes without an answer +502, then 200 +502, then 200$",
            r"^\.\.\. does not answer +504, then 200 +504, then 200$",
            r"^(ok|MISSED) +at least 10 times per request",
            r"^ok +each fault is told and got over",
            r"^Note: pooled had a pool_timeout of 60 s",
        ],
        ran.out,
    )
    assert "\x1b" not in ran.out + ran.err
    check_numbers(json.loads(file.read_text()))


def check_numbers(numbers: dict[str, Any]) -> None:
    figures = [*numbers["figures"], numbers["crowd"]]
    assert [figure["server"] for figure in figures] == [*SERVERS * 7, "pooled"]
    for figure in figures:
        assert figure["failures"] == {}, figure
        assert len(figure["rates"]) == 1
        assert 0 < figure["rate"] < 100_000
        assert 0 < figure["p50"] <= figure["p99"] < 20
        assert figure["answered"] >= figure["case"]["clients"]
    assert [item["server"] for item in numbers["memory"]] == SERVERS[:2]
    for item in numbers["memory"]:
        assert 10_000_000 < item["at_rest"] <= item["peak"] < 1_000_000_000
        assert item["growth"] == item["peak"] - item["at_rest"]
    for item in numbers["reuse"].values():
        assert item["connections_created"] < item["requests"]
        assert 0.5 < item["reuse_rate"] < 1
    assert len(numbers["recoveries"]) == 6
    assert all(recovery["is_ok"] for recovery in numbers["recoveries"]), numbers["recoveries"]
    assert {"what", "figure", "is_met"} == set(numbers["targets"][0])


async def test_what_is_missing_is_told(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['matplotlib'] = sys.modules['fastapi'] = None\n"
    )
    ran = await run("http_pool_test.py", f"--png={picture}", PYTHONPATH=str(tmp_path))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("This needs fastapi, matplotlib: `scripts/install bench` installs")


async def test_a_signal_leaves_no_process(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        script: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, SCRIPTS / "http_pool_test.py", "--quick"],
                stderr=subprocess.PIPE,
                check=False,
                env=environment({"TMPDIR": str(tmp_path)}),
            )
        )
        assert script.stderr is not None
        result = b""
        with trio.fail_after(30):
            async for chunk in script.stderr:
                result += chunk
                if b"Memory" in result:
                    script.send_signal(signal.SIGINT)
                    break
            assert await script.wait() == 128 + signal.SIGINT
    assert running_with(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def running_with(text: str) -> list[str]:
    """The processes whose environment has a text: all that a script has started."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environ = (directory / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in environ:
            found.append((directory / "cmdline").read_text())
    return found
