"""The scripts for operators, run as an operator runs them."""

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.real.servers import running
from tests.scripts import SCRIPTS, SMALL, assert_in_order, environment, run
from trioproxy.settings import PoolSettings

pytestmark = pytest.mark.real


async def test_the_log_is_shown_beside_the_requests() -> None:
    ran = await run("test_pool_logging.py", "--requests=2", "--clients=3")
    assert (ran.status, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert_in_order(
        [
            r"^-- A server starts, offline",
            r"^ +\d+\.\d\d \[STARTUP\] Configuring connection pool manager\.\.\.$",
            r"^ +\d+\.\d\d \[POOL_MANAGER\] Claude instance pool configured \(min: 2, max: 10\)$",
            r"\[POOL\] Initializing Claude instance pool \(min=2, max=10\)$",
            r"\[POOL\] Created new pooled connection \w+$",
            r"\[STARTUP\] Claude connection pool initialized successfully$",
            r"^-- One by one, 2",
            r"^> request 1$",
            r"\[API\] Acquiring Claude client from pool for message request$",
            r"\[POOL_MANAGER\] Acquiring client from pool$",
            r"\[POOL\] Reusing existing connection \w+ \(use_count: 1, pool_size: 2\)$",
            r"\[POOL_MANAGER\] Acquired pooled connection \w+ \(use_count: 1\)$",
            r"\[API\] Releasing Claude client connection \w+ back to pool$",
            r"\[POOL_MANAGER\] Releasing connection \w+ back to pool$",
            r"\[POOL\] Released connection \w+ back to pool \(available: 2, in_use: 0\)$",
            r"^< request 1: answered in \d+ ms$",
            r"^> request 2$",
            r"\[POOL\] Reusing existing connection \w+ \(use_count: 2, pool_size: 2\)$",
            r"^< request 2: answered",
            r"^-- At once, 3",
            r"\[POOL\] Created new connection \w+ \(total: \d/10\)$",
            r"^< request 5: answered",
            r"^-- One by one again, 2",
            r"\[POOL\] Reusing existing connection",
            r"^< request 7: answered",
            r"^-- What /pool/stats says",
            r"^connections_reused +[3-6]  reused: [3-6] of 7 requests: the pool works$",
            r"^in_use_connections +0  all were given back$",
            r"^-- The server stops",
            r"\[SHUTDOWN\] Shutting down Claude connection pool\.\.\.$",
            r"\[POOL\] Destroyed connection \w+ \(total remaining: 0\)$",
            r"\[SHUTDOWN\] Claude connection pool shut down successfully$",
        ],
        ran.out,
    )


async def test_a_server_that_runs_already(tmp_path: Path) -> None:
    async with running(tmp_path, PoolSettings(enabled=False)) as server:
        options = [f"--url={server.url}", "--requests=1", "--clients=1"]
        ran = await run("test_pool_logging.py", *options)
    assert (ran.status, ran.err) == (1, "")
    assert_in_order(
        [r"is in that server's terminal", r"^< request 4: answered", r"^Pooling is off"], ran.out
    )
    assert "[POOL]" not in ran.out


async def test_a_signal_stops_the_server_too() -> None:
    async with trio.open_nursery() as nursery:
        script: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, SCRIPTS / "test_pool_logging.py"],
                stdout=subprocess.PIPE,
                check=False,
                env=environment(SMALL),
            )
        )
        assert script.stdout is not None
        printed = b""
        with trio.fail_after(20):
            async for chunk in script.stdout:
                if b"> request 1" not in printed and b"> request 1" in printed + chunk:
                    script.send_signal(signal.SIGTERM)
                printed += chunk
            assert await script.wait() == 128 + signal.SIGTERM
    assert b"request 10" not in printed
    assert printed.endswith(b"[SHUTDOWN] Claude connection pool shut down successfully\n")


async def test_a_server_that_does_not_start_is_told() -> None:
    ran = await run("pool_performance_test.py", POOL_SETTINGS__MAX_SIZE="ten")
    assert (ran.status, ran.out) == (2, "")
    assert_in_order([r"^The server ended before it answered\. ", r'"ten"$'], ran.err)


@pytest.mark.long
async def test_both_modes_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    options = ["--requests=2", "--clients=2", "--seconds=0.4", f"--json={file}"]
    ran = await run("pool_performance_test.py", *options, **SMALL)
    assert ran.status == 0, ran.err
    assert_in_order([r"^Starting", r"^First", r"^One by one: 2 pooled and 1", "^At once"], ran.err)
    assert_in_order(
        [
            r"^ +pooled +unpooled$",
            r"^first request +[\d,]+ ms +[\d,]+ ms$",
            r"^later ones, p50 +[\d,]+ ms +[\d,]+ ms$",
            r"^later ones, p99 +[\d,]+ ms +[\d,]+ ms$",
            r"^  how many +2 +1$",
            r"^2 clients at once +[\d.]+ /s +[\d.]+ /s$",
            r"^speed-up +[\d.]+ times: [\d,]+ ms saved a request",
            r"^reuse rate +\d\d%: \d+ of \d+ requests",
            r"^pooled \(2\)$",
            r"█",
            r"^unpooled \(1\)$",
            r"█",
            r"┬.*\n.* m?s\b",
        ],
        ran.out,
    )
    assert "\x1b" not in ran.out + ran.err
    check_numbers(json.loads(file.read_text()))


def check_numbers(numbers: dict[str, Any]) -> None:
    pooled, unpooled = numbers["pooled"], numbers["unpooled"]
    assert (len(pooled["sequential"]), len(unpooled["sequential"])) == (2, 1)
    assert pooled["failures"] == unpooled["failures"] == []
    for mode in pooled, unpooled:
        assert 0 < min(mode["first"], *mode["sequential"], *mode["concurrent"]) < 20
        assert mode["concurrent_seconds"] >= 0.4
    assert numbers["speed_up"] > 1
    assert numbers["saved"] > 0
    answered = 1 + 2 + pooled["warm_up"] + len(pooled["concurrent"])
    assert numbers["reuse_rate"] == pooled["stats"]["connections_reused"] / answered > 0.5
    assert unpooled["stats"] is None


async def test_a_picture_needs_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    picture = tmp_path / "picture.png"
    ran = await run("pool_performance_test.py", f"--png={picture}", PYTHONPATH=str(tmp_path))
    assert (ran.status, ran.out) == (2, "")
    assert "scripts/install plots" in ran.err


async def test_on_a_fresh_clone_a_script_installs_first(tmp_path: Path) -> None:
    scripts = tmp_path / "clone with a space" / "scripts"
    for script in SCRIPTS.rglob("*.py"):
        copy = scripts / script.relative_to(SCRIPTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(script.read_bytes())
    install = scripts / "install"
    install.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")/.." && echo "installing $*" >&2 && mkdir -p .venv/bin && '
        f"printf '#!/bin/sh\\nexec {sys.executable} \"$@\"\\n' > .venv/bin/python && "
        "chmod +x .venv/bin/python\n"
    )
    install.chmod(0o755)
    done = await trio.run_process(
        [sys.executable, "-S", scripts / "pool_performance_test.py", "--help"],  # no packages
        capture_stdout=True,
        capture_stderr=True,
        env=environment({}),
    )
    assert done.stderr == b"installing cli\n"
    assert done.stdout.startswith(b"usage: pool_performance_test.py ")


@pytest.mark.long
async def test_callers_are_kept_apart_for_some_hundred_requests() -> None:
    ran = await run("soak.py", "--requests=400", "--faults=0.5", "--leavers=0.2")
    assert (ran.status, ran.err) == (0, ""), ran.out
    assert_in_order([r"^requests +400$", r"^answered +\d+$", r"^wrong +0$"], ran.out)


@pytest.mark.long
async def test_what_a_process_holds_is_measured_prompt_by_prompt() -> None:
    ran = await run("soak.py", "--memory", "--rebinds=400")
    assert (ran.status, ran.err) == (0, ""), ran.out
    assert_in_order(
        [r"^ +0 prompts +\d+ MB$", r"^ +400 prompts", r"^growth: -?[\d.]+ MB"], ran.out
    )
