"""What is tried of a CLI at the first start, on the real one and on one that cannot."""

import logging
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.real.servers import MODEL, ONE, Running, running
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import Options
from trioproxy.claude.session import Session
from trioproxy.conformance import trial
from trioproxy.conformance.memory import fingerprint, has_passed, remember, state_folder
from trioproxy.conformance.parts import OF_PROMPTS, Part
from trioproxy.conformance.trial import Subject, find_problem
from trioproxy.conformance.version import TESTED, is_newer, newer, read_version
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


def one_with(folder: Path, *lines: str) -> str:
    """The real CLI, in an environment that these lines of a shell have changed."""
    script = folder / "claude"
    script.write_text("\n".join(["#!/bin/bash", *lines, f'exec {REAL} "$@"', ""]))
    script.chmod(0o755)
    return str(script)


async def problem_of(binary: str, folder: Path, part: Part = Part.BINDING, **how: bool) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANTHROPIC_API_KEY": "secret"}
    subject = Subject(binary, environ, Options(), **how)
    async with open_guard() as guard:
        return await find_problem(subject, part, folder / "trial", guard)


@pytest.mark.parametrize(
    ("part", "takes_any", "has_login"),
    [
        (part, takes_any, has_login)
        for part in Part
        for takes_any in (True, False)
        for has_login in (True, False)
        if takes_any or part not in OF_PROMPTS
    ],
)
async def test_all_holds_for_the_cli(
    tmp_path: Path,
    part: Part,
    takes_any: bool,  # noqa: FBT001 - as pytest calls it
    has_login: bool,  # noqa: FBT001
) -> None:
    found = await problem_of(REAL, tmp_path, part, takes_any=takes_any, has_login=has_login)
    assert found == ""


BROKEN = {
    Part.TEXT: (
        ["exec < <(sed --unbuffered s/ultrathink/think/)"],
        "'ultrathink about it, think harder': the conversation did not arrive as it was given",
    ),
    Part.PARAMETERS: (
        ["exec < <(sed --unbuffered 's/1024/1025/')"],
        "thinking: thinking did not arrive as it was given",
    ),
    Part.RESET: (
        ["export CLAUDE_CODE_MAX_RETRIES=2"],
        "a refusal of the API: the API was asked 3 times",
    ),
}


@pytest.mark.parametrize("part", BROKEN)
async def test_what_does_not_hold_is_told(tmp_path: Path, part: Part) -> None:
    lines, expected = BROKEN[part]
    assert await problem_of(one_with(tmp_path, *lines), tmp_path, part, has_login=True) == expected


async def test_one_that_takes_no_other_prompt_is_found_out(tmp_path: Path) -> None:
    problem = await problem_of(one_that_cannot(tmp_path), tmp_path)
    assert problem.startswith("a first prompt: The CLI rejected a setting: Agent")


async def test_a_process_that_forgets_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "forget", Session.ping)
    assert await problem_of(REAL, tmp_path) == "it keeps what it was told to forget"


@pytest.mark.parametrize("body", ["exit 1", "exec sleep 60", "echo no; exec cat"])
async def test_what_is_no_cli_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 0.5)
    script = tmp_path / "claude"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    assert await problem_of(str(script), tmp_path) != ""


async def test_what_cannot_be_started_is_found_out(tmp_path: Path) -> None:
    problem = await problem_of(str(tmp_path / "none"), tmp_path)
    assert problem.startswith("The Claude CLI could not be started")


async def test_the_tested_version_is_that_of_the_locked_package() -> None:
    assert await read_version(REAL, {"PATH": os.environ["PATH"]}) == TESTED
    assert await read_version("/bin/false", {}) == ""
    assert await read_version("/none", {}) == ""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.1.330", True),
        ("2.2", True),
        ("3", True),
        (TESTED, False),
        ("2.1.99", False),
        ("", False),
    ],
)
def test_a_newer_version_is_one(version: str, expected: bool) -> None:  # noqa: FBT001
    assert is_newer(version) == expected
    assert (version in newer(version)) == (expected or not version)


async def known_to(server: Running) -> dict[str, Any]:
    """What `/health` says of the CLI, once it is known."""
    async with httpx.AsyncClient() as http:
        with trio.fail_after(20):
            while True:
                found: dict[str, Any] = (await http.get(server.url + "/health")).json()["cli"]
                if found["takes_any_prompt"] is not None and found["version"]:
                    return found
                await trio.sleep(0.02)


async def ask(server: Running, system: str) -> None:
    message = await server.client.messages.create(
        model=MODEL, max_tokens=100, system=system, messages=[{"role": "user", "content": "hi"}]
    )
    assert message.stop_reason


async def test_a_server_whose_cli_cannot_binds_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    cli = ClaudeSettings(cli_path=one_that_cannot(tmp_path))
    async with running(tmp_path, ONE, claude=cli, is_tried=True) as server:
        found = await known_to(server)
        for system in ("a", "b"):
            await ask(server, system)
        assert server.stats.connections_created == 2  # one for each
    assert "bound to its first system prompt" in caplog.text
    assert (found["takes_any_prompt"], len(found["problems"])) == (False, 1)
    assert found["problems"][0] in caplog.text
    assert not (tmp_path / ".local").exists()


async def test_a_server_serves_while_its_cli_is_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    async with running(tmp_path, ONE, is_tried=True) as server:
        await ask(server, "a")  # by a process that is bound to it
        assert "Trying what this Claude CLI can do" in caplog.text
        assert await known_to(server) == {
            "version": TESTED,
            "takes_any_prompt": True,
            "problems": [],
        }
        stats = await server.settled()
        assert (stats.retirements, stats.connections_created) == ({"worn": 1}, 2)
        for system in ("b", "c", "a"):
            await ask(server, system)
        assert server.stats.connections_created == 2  # one for all
        assert [body["system"][-1]["text"] for body in server.asked()] == ["a", "b", "c", "a"]
    caplog.clear()
    async with running(tmp_path, ONE, is_tried=True) as server:
        for system in ("a", "b"):
            await ask(server, system)
        assert (await known_to(server))["takes_any_prompt"] is True
        assert server.stats.connections_created == 1
    assert "Trying what this Claude CLI can do" not in caplog.text


async def test_a_newer_cli_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    says = '[ "$1" = --version ] && echo "99.1.0 (Claude Code)" && exit'
    cli = ClaudeSettings(cli_path=one_with(tmp_path, says))
    async with running(tmp_path, ONE, claude=cli) as server:
        found = await known_to(server)
    assert found["version"] == "99.1.0"
    assert found["problems"] == [newer("99.1.0")]
    assert newer("99.1.0") in caplog.text


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
