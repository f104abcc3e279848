"""How a server ends that cannot start: one readable line for each reason, and an exit status."""

import sys
from collections.abc import Iterable

from trioproxy.errors import TrioproxyError
from trioproxy.settings import SettingsError

STATUS = 2


def reasons(error: BaseException) -> list[str]:
    """Every reason in an error or in a group of errors, one line each, for the operator."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in reasons(inner)]
    if isinstance(error, SettingsError):
        return list(error.problems)
    return [error.log_message if isinstance(error, TrioproxyError) else str(error)]


def report(problems: Iterable[str]) -> None:
    """Print one line for each reason, to standard error."""
    for problem in problems:
        print(f"trioproxy: {problem}", file=sys.stderr, flush=True)  # noqa: T201 - for a terminal
