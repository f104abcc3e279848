"""`trioproxy bench`."""

from pathlib import Path

import click

from trioproxy.cli.subprocesses import become

_CHECKOUT = Path(__file__).parents[2]


@click.command("bench", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(*, arguments: tuple[str, ...]) -> None:
    """Measure this server beside others, with scripts/bench/run.

    ARGUMENTS go to that program, which is part of the source checkout and not installed by pip.
    For its own help: `trioproxy bench -- --help`.
    """
    program = _CHECKOUT / "scripts" / "bench" / "run"
    if not program.is_file():
        raise click.UsageError(
            f"There is no {program}. The benchmarks are in a checkout of the source: run "
            "scripts/bench/run there."
        )
    become(str(program), arguments)
