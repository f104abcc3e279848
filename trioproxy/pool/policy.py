"""The pool's decisions, as pure functions of what it holds.

A process that takes any system prompt suits every request, one that has the prompt best. Where it
is bound to the first that it was given, it suits that one alone.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, TypeVar

from attrs import evolve, fields, frozen

from trioproxy.claude.prompts import Prompt
from trioproxy.claude.session import Fit
from trioproxy.settings import PoolSettings


class Candidate(Protocol):
    """What a decision needs to know of a worker."""

    def fit(self, prompt: Prompt) -> Fit:
        """How well it suits a turn with this system prompt."""
        ...

    @property
    def oldest_use(self) -> float:
        """When the prompt that would give way to another one was last used; never: none would."""
        ...

    @property
    def has_kept(self) -> bool:
        """Whether it knows prompts that can be taken from it."""
        ...

    @property
    def since(self) -> float:
        """Since when it is idle, on the pool's clock."""
        ...

    @property
    def uses(self) -> int:
        """How many turns it has taken."""
        ...

    @property
    def is_outdated(self) -> bool:
        """Whether processes are started in another way by now."""
        ...

    @property
    def rss(self) -> int | None:
        """Bytes of memory that it holds, where that is known."""
        ...


C = TypeVar("C", bound=Candidate)


@frozen
class PoolLimits:
    """How many processes there may and should be, and how long each may serve."""

    min_size: int
    max_size: int
    idle_timeout: float
    max_requests: int
    max_rss: int

    @classmethod
    def of(cls, settings: PoolSettings) -> Self:
        """The limits among the settings."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def effective(settings: PoolSettings) -> PoolSettings:
    """The settings that the pool follows: without pooling, nothing is kept before or after use."""
    if settings.enabled:
        return settings
    return evolve(settings, min_size=0, warmup_on_startup=False, reuse="never")


@frozen
class Census:
    """How many processes there are, and what for.

    `total` includes those that boot or close; `fresh` are idle and have served nobody yet;
    `waiting` counts the turns that no process is about to be free for.
    """

    total: int
    booting: int
    closing: int
    fresh: int
    waiting: int


def choose(prompt: Prompt, idle: Iterable[C]) -> C | None:
    """The worker for a turn with this system prompt; None if there is none.

    One that has it, one that knows it, any that can take it: of these the most recently used, so
    that surplus ones grow idle and can be told. Where one has to forget another prompt for it,
    that is the one that was not used for longest.
    """
    suited = [(worker.fit(prompt), worker) for worker in idle]
    found = max(
        (item for item in suited if item[0] is not Fit.NOT),
        key=lambda item: (
            item[0],
            -item[1].oldest_use if item[0] is Fit.TAKES else 0.0,
            item[1].since,
        ),
        default=None,
    )
    return None if found is None else found[1]


def boots_wanted(census: Census, limits: PoolLimits, *, due_for_replacement: int = 0) -> int:
    """How many processes to start now.

    One for each waiter that no boot is under way for, and as many as `min_size` lacks. Never more
    than `max_size` in all. Those that are `due_for_replacement` still serve, but do not count:
    their replacements boot first.
    """
    for_waiters = census.waiting - census.booting
    for_minimum = limits.min_size - (census.total - census.closing - due_for_replacement)
    for_replacements = due_for_replacement - census.booting - census.fresh
    room = limits.max_size - census.total
    return max(0, min(room, max(for_waiters, for_minimum, for_replacements)))


def to_retire(idle: Iterable[C], census: Census, limits: PoolLimits) -> list[C]:
    """Who makes room for waiters that fit nobody: the least recently used, one for each.

    Those that wait fit no idle worker, or they would not wait: so each is bound to another prompt.
    """
    uncovered = census.waiting - census.booting - census.closing
    if census.total < limits.max_size or uncovered < 0:
        return []
    return _least_recently_used(idle)[:uncovered]


def to_close(idle: Sequence[C], census: Census, limits: PoolLimits, now: float) -> list[C]:
    """Who has been idle for `idle_timeout` and is not among `min_size`."""
    surplus = census.total - census.closing - limits.min_size
    return _expired(idle, limits, now)[: max(0, surplus)]


def to_forget(idle: Iterable[C], limits: PoolLimits, now: float) -> list[C]:
    """Who has been idle for `idle_timeout`, and still knows what callers have said."""
    return [worker for worker in _expired(idle, limits, now) if worker.has_kept]


def is_due_for_replacement(worker: Candidate, limits: PoolLimits) -> bool:
    """Whether a process is of another kind, has served long enough, or grown large enough.

    Each serves one turn at least: a `max_rss` below that of a new one must not end in a storm.
    """
    has_grown = worker.uses > 0 and (worker.rss or 0) > limits.max_rss
    return worker.is_outdated or worker.uses >= limits.max_requests or has_grown


def _expired(idle: Iterable[C], limits: PoolLimits, now: float) -> list[C]:
    return [w for w in _least_recently_used(idle) if w.since + limits.idle_timeout <= now]


def _least_recently_used(workers: Iterable[C]) -> list[C]:
    return sorted(workers, key=lambda worker: worker.since)
