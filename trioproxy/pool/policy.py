"""The pool's decisions, as pure functions of what it holds.

A process that takes any system prompt suits every request, one that has the prompt best. Where it
is bound to the first that it was given, it suits that one alone.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, TypeVar

from attrs import evolve, fields, frozen

from trioproxy.claude.conversation import Asked
from trioproxy.claude.session import Fit
from trioproxy.settings import PoolSettings


class Candidate(Protocol):
    """What a decision needs to know of a worker."""

    def fit(self, asked: Asked) -> Fit:
        """How well it suits a turn by its system prompt."""
        ...

    def common(self, asked: Asked) -> int:
        """How many messages stand in it that a turn has too."""
        ...

    @property
    def standing(self) -> int:
        """How many messages of a conversation stand in it."""
        ...

    @property
    def oldest_use(self) -> float:
        """When the prompt that would give way to another one was last used; never: none would."""
        ...

    @property
    def has_kept(self) -> bool:
        """Whether it knows what can be taken from it: prompts, or a conversation."""
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
    conversation_timeout: float
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
    the `kept` ones are idle, and a conversation stands in them; `waiting` counts the turns that no
    process is about to be free for.
    """

    total: int
    booting: int
    closing: int
    fresh: int
    waiting: int
    kept: int = 0


def choose(asked: Asked, idle: Iterable[C], now: float, *, may_wipe: bool = True) -> C | None:
    """The worker for a turn; None if there is none.

    The one in which most of its messages stand; else, of those in which nothing stands, one that
    has the system prompt, one that knows it, any that can take it: of these the most recently
    used, so that surplus ones grow idle and can be told. Where one has to forget another prompt
    for it, that is the one that was not used for longest. Last, if it `may_wipe` what stands, the
    one whose conversation is worth least.
    """
    suited = [worker for worker in idle if worker.fit(asked) is not Fit.NOT]
    common = [worker.common(asked) if worker.standing else 0 for worker in suited]
    if any(common):
        return suited[common.index(max(common))]
    free = [worker for worker in suited if not worker.standing]
    if free:
        return max(free, key=lambda worker: _suits(worker, asked))
    return min(suited, key=lambda worker: _worth(worker, now), default=None) if may_wipe else None


def _suits(worker: Candidate, asked: Asked) -> tuple[Fit, float, float]:
    fit = worker.fit(asked)
    return fit, -worker.oldest_use if fit is Fit.TAKES else 0.0, worker.since


def _worth(worker: Candidate, now: float) -> float:
    """What it would cost to write a conversation again, the less the longer nobody came for it."""
    return worker.standing / (1.0 + now - worker.since)


def boots_wanted(census: Census, limits: PoolLimits, *, due_for_replacement: int = 0) -> int:
    """How many processes to start now.

    One for each waiter that no boot is under way for, and as many as `min_size` lacks; one
    more where a conversation stands in every process, so that who comes next neither waits nor
    wipes it. Never more than `max_size` in all. Those that are `due_for_replacement` still serve,
    but do not count: their replacements boot first.
    """
    for_waiters = census.waiting - census.booting
    for_minimum = limits.min_size - (census.total - census.closing - due_for_replacement)
    for_others = int(0 < census.kept == census.total - census.closing)
    for_replacements = due_for_replacement - census.booting - census.fresh
    room = limits.max_size - census.total
    return max(0, min(room, max(for_waiters, for_minimum, for_replacements, for_others)))


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


def to_free(idle: Sequence[C], census: Census, limits: PoolLimits, now: float) -> C | None:
    """Whose conversation is given up before anybody asks, so that who comes next finds a free one.

    Where there is room, a process is booted for that instead; a single process keeps what it has.
    """
    is_full = limits.max_size <= census.total == census.kept > 1
    return min(idle, key=lambda worker: _worth(worker, now)) if is_full else None


def to_forget(idle: Iterable[C], limits: PoolLimits, now: float) -> list[C]:
    """Who still knows what callers have said, and has been idle for too long.

    For `idle_timeout`, or for `conversation_timeout` if a conversation stands in it.
    """
    known = [worker for worker in _least_recently_used(idle) if worker.has_kept]
    return [worker for worker in known if worker.since + _forgets_after(worker, limits) <= now]


def _forgets_after(worker: Candidate, limits: PoolLimits) -> float:
    timeout = limits.conversation_timeout if worker.standing else limits.idle_timeout
    return min(timeout, limits.idle_timeout)


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
