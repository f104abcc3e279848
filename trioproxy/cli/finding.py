"""What a check of the doctor's has found."""

from collections.abc import Iterator
from typing import Literal

import click
from attrs import frozen

from trioproxy.settings.values import printable

Mark = Literal["ok", "note", "FAILED"]

_COLORS = {"ok": "green", "note": "yellow", "FAILED": "red"}
_INDENT = " " * 8


@frozen
class Finding:
    """A mark, what was looked at, and what was found; below it, what to know or to do."""

    mark: Mark
    title: str
    found: str
    more: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """It for a terminal, in printable characters."""
        mark = click.style(f"{self.mark:<{len(_INDENT)}}", fg=_COLORS[self.mark])
        yield f"{mark}{self.title:<12}{printable(self.found)}"
        yield from (f"{_INDENT}{printable(line)}" for line in self.more)


def announced(title: str, what: str) -> str:
    """The line before a check that is more than a look."""
    return f"{'...':<{len(_INDENT)}}{title:<12}{printable(what)}"


def ok(title: str, found: str, *more: str) -> Finding:
    """All is well."""
    return Finding("ok", title, found, more)


def note(title: str, found: str, *advice: str) -> Finding:
    """Worth knowing, and no reason why the server should not work."""
    return Finding("note", title, found, advice)


def failed(title: str, found: str, *advice: str) -> Finding:
    """The server does not work like this."""
    return Finding("FAILED", title, found, advice)
