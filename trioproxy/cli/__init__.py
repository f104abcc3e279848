"""The command line: `trioproxy`, which is `python -m trioproxy`.

program.py      all commands together: how each ends, and with which status
options.py      what several commands take, and the environment that it makes
serve.py        `trioproxy serve`
doctor.py       `trioproxy doctor`: its order, and what it prints
config.py       `trioproxy config show`, `check` and `schema`
token.py        `trioproxy token`
bench.py        `trioproxy bench`
checks.py       pure: what the doctor makes of facts
finding.py      pure: one of its lines
facts.py        this machine: memory, ports, files, packages
listeners.py    who listens on a port
round_trip.py   a server of one process, and one question to it
asgi.py         a request to an ASGI app of this process
programs.py     other programs, run
progress.py     seconds, counted on a terminal
values.py       pure: a setting's value, shown without its secrets
schema.py       pure: a JSON schema of the settings
"""

from trioproxy.cli.main import program


def main() -> None:
    """Do what the arguments of this process say, and exit."""
    program(prog_name="trioproxy")
