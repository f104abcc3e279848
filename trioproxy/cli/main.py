"""All commands together: how each ends, and with which status."""

import click

from trioproxy import __version__, startup_error
from trioproxy.cli import bench, config, doctor, serve, token
from trioproxy.errors import TrioproxyError
from trioproxy.settings import SettingsError

INTERRUPTED = 130  # as a shell has it: 128 and the number of the signal
BROKEN_PIPE = 1  # as click has it

_STATUSES = """\
\b
Exit status:
  0    done, and nothing is wrong
  1    something is wrong: the server or a check failed, or nobody reads the output
  2    it cannot be done as said: an argument, a setting, something that is missing
  130  interrupted by Ctrl-C
"""


class Program(click.Group):
    """A group of commands in which a user's mistake is a line or two and a status."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
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
            # Trio hands on in a group what it was interrupted by.
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

    `trioproxy serve --offline` needs no account, and `trioproxy doctor` finds out what does not
    work. `trioproxy COMMAND --help` tells more.
    """


for command in (serve.command, doctor.command, config.command, token.command, bench.command):
    program.add_command(command)


def _document_statuses(command: click.Command) -> None:
    command.epilog = _STATUSES
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _document_statuses(inner)


_document_statuses(program)
