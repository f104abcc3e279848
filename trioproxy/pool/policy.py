"""The pool's decisions, as pure functions of what it holds.

A process is bound to one system prompt by its first turn, so a request fits the processes that
are bound to its own and those that are not bound yet.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from attrs import frozen


class Candidate(Protocol):
    """What a decision needs to know of a worker."""

    @property
    def bound(self) -> str | None:
        """The system prompt that it serves; None while it could serve any."""
        ...

    @property
    def idle_since(self) -> float:
        """When it was last released, on the pool's clock."""
        ...


C = TypeVar("C", bound=Candidate)


@frozen
class Limits:
    """How many processes there may and should be."""

    min_size: int
    max_size: int
    spare_size: int


@frozen
class Census:
    """How many processes there are, and what for.

    `waiting` counts the turns that no process is about to be free for.
    """

    total: int
    booting: int
    idle_unbound: int
    waiting: int


def choose(system: str, idle: Iterable[C], *, may_bind: bool) -> C | None:
    """Who answers a turn with this system prompt.

    The most recently used of those bound to it, so that surplus ones grow idle and can be told;
    else, if `may_bind`, one that is not bound yet; else nobody.
    """
    fitting = [w for w in idle if w.bound == system or (may_bind and w.bound is None)]
    return max(fitting, key=lambda w: (w.bound is not None, w.idle_since), default=None)


def boots_wanted(census: Census, limits: Limits) -> int:
    """How many processes to start now.

    One for each waiter that no boot is under way for; as many as `min_size` lacks; and as many
    unbound ones as `spare_size` lacks. Never more than `max_size` in all.
    """
    for_waiters = census.waiting - census.booting
    for_minimum = limits.min_size - census.total
    for_spares = limits.spare_size + census.waiting - census.idle_unbound - census.booting
    room = limits.max_size - census.total
    return max(0, min(room, max(for_waiters, for_minimum, for_spares)))


def to_retire(idle: Iterable[C], census: Census, limits: Limits, retiring: int) -> list[C]:
    """Who makes room for waiters that fit nobody: the least recently used, one for each.

    Those that wait fit no idle worker, or they would not wait.
    """
    uncovered = census.waiting - census.booting - retiring
    if census.total < limits.max_size or uncovered <= 0:
        return []
    return sorted(idle, key=lambda worker: worker.idle_since)[:uncovered]
