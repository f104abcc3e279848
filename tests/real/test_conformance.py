"""What is tried of a CLI at the first start, on the real one and on one that cannot."""

import logging
import os
from pathlib import Path

import pytest

from tests.real.servers import MODEL, ONE, running
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import Options
from trioproxy.conformance import binding
from trioproxy.conformance.binding import find_binding_problem
from trioproxy.conformance.memory import fingerprint, has_passed, remember, state_folder
from trioproxy.pool.guard import open_guard
from trioproxy.settings import ClaudeSettings

pytestmark = pytest.mark.real

REAL = find_binary("", {}, wheel_binary())


def one_that_cannot(folder: Path) -> str:
    """The real CLI, to which nobody can give a plugin."""
    script = folder / "claude"
    script.write_text(f"""#!/bin/bash
args=()
for arg in "$@"; do [[ $arg == --plugin-dir=* ]] || args+=("$arg"); done
exec {REAL} "${{args[@]}}"
""")
    script.chmod(0o755)
    return str(script)


async def problem_of(binary: str, folder: Path) -> str:
    place = folder / "trial"
    place.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANTHROPIC_API_KEY": "secret"}
    async with open_guard() as guard:
        return await find_binding_problem(binary, environ, Options(), place, guard)


async def test_the_cli_takes_any_prompt(tmp_path: Path) -> None:
    assert await problem_of(REAL, tmp_path) == ""


async def test_one_that_cannot_is_found_out(tmp_path: Path) -> None:
    problem = await problem_of(one_that_cannot(tmp_path), tmp_path)
    assert problem.startswith("The CLI rejected a setting: Agent")


@pytest.mark.parametrize("body", ["exit 1", "exec sleep 60", "echo no; exec cat"])
async def test_what_is_no_cli_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(binding, "TIMEOUT", 0.5)
    script = tmp_path / "claude"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    assert await problem_of(str(script), tmp_path) != ""


async def test_a_server_whose_cli_cannot_binds_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    cli = ClaudeSettings(cli_path=one_that_cannot(tmp_path))
    async with running(tmp_path, ONE, claude=cli, is_tried=True) as server:
        for system in ("a", "b"):
            await server.client.messages.create(
                model=MODEL,
                max_tokens=9,
                system=system,
                messages=[{"role": "user", "content": "hi"}],
            )
        assert server.stats.connections_created == 2  # one for each
    assert "bound to its first system prompt" in caplog.text
    assert not (tmp_path / ".local").exists()


async def test_a_trial_that_was_passed_is_not_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    for trials in (1, 1):
        async with running(tmp_path, ONE, is_tried=True) as server:
            for system in ("a", "b"):
                await server.client.messages.create(
                    model=MODEL,
                    max_tokens=9,
                    system=system,
                    messages=[{"role": "user", "content": "hi"}],
                )
            assert server.stats.connections_created == 1
        assert caplog.text.count("Trying what this Claude CLI can do") == trials


# -- What is remembered --------------------------------------------------------------------------


def test_what_has_passed_is_kept_by_what_it_is(tmp_path: Path) -> None:
    binary = tmp_path / "claude"
    binary.write_text("1")
    key = fingerprint(str(binary), "1", ())
    assert not has_passed(tmp_path, key)
    remember(tmp_path, key)
    assert has_passed(tmp_path, key)
    assert fingerprint(str(binary), "1", ()) == key
    assert fingerprint(str(binary), "2", ()) != key
    assert fingerprint(str(binary), "1", ("--x",)) != key
    binary.write_text("22")
    assert fingerprint(str(binary), "1", ()) != key


def test_what_cannot_be_read_or_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "conformance.json").write_text("{")
    assert not has_passed(tmp_path, "a")
    remember(tmp_path, "a")
    assert has_passed(tmp_path, "a")
    remember(tmp_path / "conformance.json", "b")
    assert not has_passed(tmp_path / "conformance.json", "b")
    remember(None, "a")
    assert not has_passed(None, "a")


def test_the_latest_are_kept(tmp_path: Path) -> None:
    for number in range(30):
        remember(tmp_path, f"{number}")
    assert [has_passed(tmp_path, f"{number}") for number in (0, 29)] == [False, True]


def test_the_folder_is_that_of_the_users_state() -> None:
    assert state_folder({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/trioproxy")
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/trioproxy")
    assert state_folder({"XDG_STATE_HOME": "relative"}) is None
