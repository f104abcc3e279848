"""The command line: all commands, and their exit statuses."""

import click

from trioproxy import __version__, startup_error
from trioproxy.cli import bench, config, connect, doctor, serve, token
from trioproxy.errors import TrioproxyError
from trioproxy.settings import SettingsError

INTERRUPTED = 130  # as a shell has it: 128 and the number of the signal

_STATUSES = """\
\b
Exit status:
  0    success
  1    failure: the server or a check failed, or the output was closed
  2    invalid argument or setting, or something is missing
  130  interrupted by Ctrl-C
"""


class Program(click.Group):
    """A group of commands that reports a user's mistake in a line or two and an exit status."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _interrupted() from error
        except SettingsError as error:
            startup_error.report(error.problems)
            raise click.exceptions.Exit(startup_error.STATUS) from error
        except TrioproxyError as error:
            startup_error.report([error.message])
            raise click.exceptions.Exit(startup_error.STATUS) from error
        except BaseExceptionGroup as group:
            # A nursery raises KeyboardInterrupt inside a group.
            if group.subgroup(KeyboardInterrupt) is None:
                raise
            raise _interrupted() from group


def _interrupted() -> click.exceptions.Exit:
    click.echo(err=True)  # the terminal has shown ^C
    return click.exceptions.Exit(INTERRUPTED)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """The Anthropic and the OpenAI API, answered by a pool of warm Claude CLI processes.

    `trioproxy serve --offline` needs no account; `trioproxy doctor` finds out what does not work.
    Run `trioproxy COMMAND --help` for more.
    """


for command in (
    serve.command,
    connect.command,
    doctor.command,
    config.command,
    token.command,
    bench.command,
):
    program.add_command(command)


def _document_statuses(command: click.Command) -> None:
    command.epilog = _STATUSES
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _document_statuses(inner)


_document_statuses(program)
