"""The doctor with the real CLI, in an environment of nobody's."""

import os
import re
import sys
from pathlib import Path

import pytest
import trio

from tests.cli.runner import Run
from trioproxy.cli import round_trip
from trioproxy.cli.checks import NoAnswer
from trioproxy.settings import ClaudeSettings, PoolSettings, Settings

pytestmark = pytest.mark.real


async def examine(home: Path, *options: str) -> Run:
    command = [sys.executable, "-W", "error", "-m", "trioproxy", "doctor", "--port=0", *options]
    with trio.fail_after(60):
        done = await trio.run_process(
            command,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            cwd=home,
        )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_offline(tmp_path: Path) -> None:
    ran = await examine(tmp_path, "--offline")
    assert (ran.status, ran.err) == (0, ""), ran
    assert re.search(r'^ok      answer      "ready" from claude-haiku\S+ in \d', ran.out, re.M)
    assert ran.out.endswith("\nAll checks passed.\n")


async def test_without_a_login(tmp_path: Path) -> None:
    ran = await examine(tmp_path)
    assert (ran.status, ran.err) == (1, ""), ran
    assert "note    login       not logged in" in ran.out
    assert "FAILED  answer      401 authentication_error" in ran.out
    assert ran.out.endswith("\n1 FAILED.\n")


async def test_an_answer_that_does_not_come_in_time() -> None:
    settings = Settings(claude=ClaudeSettings(offline=True))
    answer = await round_trip.answered_within(0.05, settings, os.environ, "haiku")
    assert answer == NoAnswer(("no answer within 0 s",))


@pytest.mark.parametrize(
    ("claude", "reason"),
    [
        (ClaudeSettings(cwd="/no/such/place"), "claude.cwd: no such directory"),
        (ClaudeSettings(cli_path="/no/such/cli"), "The Claude CLI was not found"),
    ],
)
async def test_a_server_that_cannot_be_opened(claude: ClaudeSettings, reason: str) -> None:
    pool = PoolSettings(min_size=3, max_size=5)
    settings = Settings(claude=claude, pool_settings=pool)
    answer = await round_trip.answered_within(30, settings, os.environ, "haiku")
    assert isinstance(answer, NoAnswer)
    assert reason in answer.problems[0]
