"""The command line: `trioproxy`, which is `python -m trioproxy`.

main.py         all commands together, and their exit statuses
options.py      options that several commands share
serve.py        `trioproxy serve`
doctor.py       `trioproxy doctor`: its order, and what it prints
config.py       `trioproxy config show`, `check` and `schema`
connect.py      `trioproxy connect`
clients.py      pure: programs that ask this server, and what each needs for it
token.py        `trioproxy token`
bench.py        `trioproxy bench`
checks.py       pure: what the doctor makes of facts
finding.py      pure: one of its lines
facts.py        this machine: memory, ports, files, packages
listeners.py    who listens on a port
round_trip.py   a server of one process, and one question to it
asgi.py         a request to an ASGI app of this process
subprocesses.py  another program in the place of this one
progress.py     seconds, counted on a terminal
render.py       pure: a setting's value, shown without its secrets
schema.py       pure: a JSON schema of the settings
"""

from trioproxy.cli.main import program


def main() -> None:
    """Run the command line of this process, and exit."""
    program(prog_name="trioproxy")
