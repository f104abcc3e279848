"""Another program in the place of this one."""

import os
from collections.abc import Sequence
from typing import NoReturn

import click


def become(program: str, arguments: Sequence[str]) -> NoReturn:
    """Run a program in the place of this one, so that signals and the status are its own."""
    try:
        os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise click.UsageError(f"{program} cannot be run: {error.strerror}.") from error
