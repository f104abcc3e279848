"""Notes of what was mended in a request: to its client in a header, to the operator in the log.

A client sends the same things again and again, so its first note of a kind is for INFO and the
others are for DEBUG.
"""

import logging
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable

from attrs import define, field

from trioproxy.web.observe.registry import RequestRecord

NOTES = b"x-trioproxy-notes"

_LONGEST_HEADER = 1000  # characters: some clients and balancers take headers of 4 KB in all
_MOST_KINDS = 1000  # that are remembered, of all clients together

_INDEX = re.compile(r"\.\d+(?=[.:\s]|\Z)")  # in a path, such as messages.3.name
_PRODUCT = re.compile(r"[A-Za-z0-9._-]{1,40}(?=[/ ]|\Z)")

logger = logging.getLogger("trioproxy.web")


def as_header(notes: Iterable[str]) -> str:
    """The notes by kind and count, as far as the header has room."""
    kinds = [_counted(kind, count) for kind, count in _by_kind(notes)]
    shown = 0
    for at, kind in enumerate(kinds):
        shown += len(kind) + 2
        if shown > _LONGEST_HEADER:
            kinds[at:] = [f"and {len(kinds) - at} more"]
            break
    return "; ".join(kinds)


def _by_kind(notes: Iterable[str]) -> Iterable[tuple[str, int]]:
    """Each kind with its count: a note less where in the request it is of."""
    # A header, and a line of the log, has only printable ASCII.
    kinds = (_INDEX.sub("", note).encode("unicode_escape").decode() for note in notes)
    return Counter(kinds).items()


def _counted(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind} ({count})"


def product(user_agent: str) -> str:
    """The name that a client gives itself, without its version: `claude-cli`; empty for none."""
    found = _PRODUCT.match(user_agent)
    return found[0] if found else ""


@define(eq=False)
class NotesLog:
    """Logs the notes of each request: a kind's first of a client at INFO, then at DEBUG."""

    _seen: OrderedDict[tuple[str, str, str], None] = field(factory=OrderedDict, init=False)

    def log(self, record: RequestRecord) -> None:
        """Log what was mended in a request that has ended."""
        for kind, count in _by_kind(record.notes):
            is_new = self._is_new((record.caller, record.client, kind))
            level = logging.INFO if is_new else logging.DEBUG
            client = record.client or "a client"
            logger.log(level, "[API] %s: %s: %s", record.id, client, _counted(kind, count))

    def _is_new(self, key: tuple[str, str, str]) -> bool:
        is_new = key not in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_KINDS:
            self._seen.popitem(last=False)
        return is_new
