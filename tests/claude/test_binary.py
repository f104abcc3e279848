import os
import sys
from pathlib import Path

import pytest

from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.errors import CliNotFound


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def refusal(cli_path: str, environ: dict[str, str], wheel: Path | None) -> str:
    with pytest.raises(CliNotFound) as caught:
        find_binary(cli_path, environ, wheel)
    return caught.value.message


# -- The order --------------------------------------------------------------------------------


def test_cli_path_comes_first_then_path_then_the_wheel(tmp_path: Path) -> None:
    configured = executable(tmp_path / "configured")
    on_path = executable(tmp_path / "bin" / "claude")
    wheel = executable(tmp_path / "wheel" / "claude")
    environ = {"PATH": str(on_path.parent)}
    assert find_binary(str(configured), environ, wheel) == str(configured)
    assert find_binary("", environ, wheel) == str(on_path)
    assert find_binary("", {"PATH": str(tmp_path)}, wheel) == str(wheel)
    assert find_binary("", {}, wheel) == str(wheel)
    assert find_binary("", environ, None) == str(on_path)


def test_path_is_that_of_the_environment_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "claude").parent))
    assert "no `claude` in /nowhere;" in refusal("", {"PATH": "/nowhere"}, None)
    assert "no `claude` in an empty PATH;" in refusal("", {}, None)


def test_the_first_directory_of_path_that_has_one_wins(tmp_path: Path) -> None:
    first, second = executable(tmp_path / "b/claude"), executable(tmp_path / "a/claude")
    path = os.pathsep.join(["/nowhere", str(first.parent), str(second.parent)])
    assert find_binary("", {"PATH": path}, None) == str(first)


def test_cli_path_may_be_a_name_on_path(tmp_path: Path) -> None:
    named = executable(tmp_path / "claude-next")
    assert find_binary("claude-next", {"PATH": str(tmp_path)}, None) == str(named)


def test_cli_path_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    local = executable(tmp_path / ".local/bin/claude")
    assert find_binary("~/.local/bin/claude", {}, None) == str(local)


# -- What does not count ----------------------------------------------------------------------


def test_a_file_that_cannot_be_executed_is_passed_over_on_path(tmp_path: Path) -> None:
    executable(tmp_path / "plain/claude").chmod(0o644)
    (tmp_path / "directory/claude").mkdir(parents=True)
    good = executable(tmp_path / "good/claude")
    path = os.pathsep.join(str(tmp_path / name) for name in ("plain", "directory", "good"))
    assert find_binary("", {"PATH": path}, None) == str(good)


@pytest.mark.parametrize("kind", ["missing", "not executable", "a directory"])
def test_a_wrong_cli_path_never_runs_another_cli(tmp_path: Path, kind: str) -> None:
    configured = tmp_path / "configured"
    if kind == "not executable":
        executable(configured).chmod(0o644)
    if kind == "a directory":
        configured.mkdir()
    other = executable(tmp_path / "bin/claude")
    assert refusal(str(configured), {"PATH": str(other.parent)}, other) == (
        f"The Claude CLI was not found: `[claude] cli_path` is {str(configured)!r}, "
        "which is not an executable file."
    )


def test_the_error_names_every_place_and_what_to_do(tmp_path: Path) -> None:
    wheel = tmp_path / "wheel/claude"
    hint = (
        "Install it with `pip install claude-agent-sdk` (its wheel carries the CLI), "
        "or point `[claude] cli_path` at it."
    )
    assert refusal("", {"PATH": "/a:/b"}, wheel) == (
        "The Claude CLI was not found. Searched `[claude] cli_path`: not set; "
        f"PATH: no `claude` in /a:/b; the claude-agent-sdk wheel: not at {wheel}. {hint}"
    )
    assert "the claude-agent-sdk wheel: not installed. " in refusal("", {"PATH": "/a"}, None)


# -- Where it is run from ---------------------------------------------------------------------


@pytest.mark.parametrize("cli_path", ["bin/claude", "./bin/claude"])
def test_a_relative_cli_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_path: str
) -> None:
    expected = executable(tmp_path / "bin/claude")
    monkeypatch.chdir(tmp_path)
    assert find_binary(cli_path, {}, None) == str(expected)


def test_a_relative_entry_of_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = executable(tmp_path / "bin/claude")
    monkeypatch.chdir(tmp_path)
    assert find_binary("", {"PATH": "bin"}, None) == str(expected)


def test_the_home_of_an_unknown_user_is_an_error_of_ours() -> None:
    assert "no-such-user" in refusal("~no-such-user/claude", {}, None)


# -- The wheel --------------------------------------------------------------------------------


def test_the_wheels_binary_is_where_the_package_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "claude_agent_sdk"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert wheel_binary() == package / "_bundled" / "claude"
    assert "claude_agent_sdk" not in sys.modules


def test_without_the_package_there_is_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert wheel_binary() is None


def test_a_module_that_is_no_package_is_not_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claude_agent_sdk.py").write_text("")
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert wheel_binary() is None
