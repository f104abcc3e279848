"""The command line, run in the process of the test."""

from attrs import frozen
from click.testing import CliRunner

from trioproxy.cli.main import program


@frozen
class Run:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


def run(*arguments: str, **environ: str) -> Run:
    result = CliRunner().invoke(program, arguments, env=environ, prog_name="trioproxy")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception  # it would have been a traceback
    return Run(result.exit_code, result.stdout, result.stderr)
