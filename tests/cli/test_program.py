import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import trioproxy
from tests.cli.runner import run
from trioproxy.cli.main import Program, program
from trioproxy.errors import CliNotFound
from trioproxy.settings import SettingsError

COMMANDS = [
    *([name] for name in program.commands),
    *(["config", name] for name in ("show", "check", "schema")),
]


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help_with_its_statuses(command: list[str], option: str) -> None:
    ran = run(*command, option)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(['trioproxy', *command])} ")
    assert "Exit status:\n    0    success" in ran.out


def test_the_version() -> None:
    assert run("--version").out == f"trioproxy {trioproxy.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["sevre"],
        ["serve", "--prot=1"],
        ["serve", "--port=65536"],
        ["serve", "--port=http"],
        ["serve", "--workers=0"],
        ["serve", "--config=gone.toml"],
        ["serve", "--config="],
        ["serve", "--config=."],
        ["doctor", "--port=-1"],
        ["config", "shwo"],
        ["config", "check", "more"],
        ["token", ""],
        ["token", "a\nb"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_told(arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "Error: " in ran.err


def ending(error: BaseException) -> tuple[int, str]:
    """How the program ends when a command raises `error`."""

    @click.group(cls=Program)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(group, ["fail"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    return result.exit_code, result.stderr


def test_ctrl_c() -> None:
    assert ending(KeyboardInterrupt()) == (130, "\n")
    inner = BaseExceptionGroup("", [KeyboardInterrupt()])
    assert ending(BaseExceptionGroup("", [inner])) == (130, "\n")


def test_errors_that_are_told() -> None:
    output = "trioproxy: a\ntrioproxy: b\n"
    assert ending(SettingsError(["a", "b"])) == (2, output)
    assert ending(CliNotFound("It is not available.")) == (2, "trioproxy: It is not available.\n")


def test_a_fault_of_ours_is_not_hidden() -> None:
    error = ExceptionGroup("", [ValueError()])
    with pytest.raises(AssertionError, match="ValueError"):
        ending(error)


def test_nobody_reads() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "trioproxy", "config", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 1


def test_no_command_but_those_that_serve_wait_for_the_server_to_be_imported() -> None:
    code = "import sys, trioproxy.cli.main as p; print('quart' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout == b"False\n"
