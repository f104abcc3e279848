"""The pool's decisions, each by itself."""

from math import inf

from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from trioproxy.claude.prompts import Prompt
from trioproxy.claude.session import Fit
from trioproxy.pool.policy import (
    Census,
    PoolLimits,
    boots_wanted,
    choose,
    effective,
    is_due_for_replacement,
    to_close,
    to_forget,
    to_retire,
)
from trioproxy.settings import PoolSettings

LIMITS = PoolLimits(min_size=2, max_size=5, idle_timeout=300.0, max_requests=500, max_rss=1_000)
NOBODY = Census(total=0, booting=0, closing=0, fresh=0, waiting=0)
PROMPT = Prompt("", "a")


@frozen
class Idle:
    """What a decision sees of an idle worker."""

    suits: Fit = Fit.TAKES
    since: float = 0.0
    oldest_use: float = -inf
    uses: int = 0
    rss: int | None = None
    has_kept: bool = True
    is_outdated: bool = False

    def fit(self, prompt: Prompt) -> Fit:
        return self.suits


# -- Who answers ---------------------------------------------------------------------------------

OLD, NEW = Idle(Fit.HAS, 1.0), Idle(Fit.HAS, 2.0)


def test_choose_takes_who_suits_best() -> None:
    idle = [Idle(fit, 9.0 - fit) for fit in Fit]
    assert choose(PROMPT, idle) == idle[Fit.HAS]
    assert choose(PROMPT, idle[:3]) == idle[Fit.KNOWS]
    assert choose(PROMPT, idle[:2]) == idle[Fit.TAKES]
    assert choose(PROMPT, idle[:1]) is None


def test_choose_takes_who_was_used_last() -> None:
    assert choose(PROMPT, [OLD, NEW]) is NEW
    known = [Idle(Fit.KNOWS, 2.0, oldest_use=5.0), Idle(Fit.KNOWS, 1.0)]
    assert choose(PROMPT, known) is known[0]
    free = [Idle(Fit.TAKES, 1.0), Idle(Fit.TAKES, 2.0)]
    assert choose(PROMPT, free) is free[1]


def test_choose_has_the_prompt_forgotten_that_was_not_used_for_longest() -> None:
    idle = [Idle(oldest_use=5.0, since=9.0), Idle(oldest_use=3.0), Idle(oldest_use=4.0)]
    assert choose(PROMPT, idle) is idle[1]


# -- How many to start ---------------------------------------------------------------------------


def test_boots_for_min_size() -> None:
    assert boots_wanted(NOBODY, LIMITS) == 2
    assert boots_wanted(evolve(NOBODY, total=1, booting=1), LIMITS) == 1
    assert boots_wanted(evolve(NOBODY, total=2, fresh=2), LIMITS) == 0


def test_boots_for_min_size_do_not_count_those_that_close() -> None:
    assert boots_wanted(evolve(NOBODY, total=2, closing=1, fresh=1), LIMITS) == 1


def test_boots_for_waiters_that_no_boot_is_under_way_for() -> None:
    evolve(LIMITS)
    assert boots_wanted(evolve(NOBODY, total=2, waiting=2), LIMITS) == 2
    assert boots_wanted(evolve(NOBODY, total=3, booting=1, waiting=2), LIMITS) == 1


def test_boots_for_replacements_before_the_old_ones_go() -> None:
    settled = evolve(NOBODY, total=2, fresh=0)
    evolve(LIMITS)
    assert boots_wanted(settled, LIMITS, due_for_replacement=2) == 2
    assert boots_wanted(evolve(settled, booting=1), LIMITS, due_for_replacement=1) == 1


def test_boots_never_exceed_max_size() -> None:
    assert boots_wanted(evolve(NOBODY, total=4, waiting=9), LIMITS) == 1
    assert boots_wanted(evolve(NOBODY, total=5, waiting=9), LIMITS) == 0


small = st.integers(0, 8)


@given(st.builds(Census, small, small, small, small, small), small, small)
def test_boots_are_neither_negative_nor_above_the_room(
    census: Census, due: int, min_size: int
) -> None:
    limits = evolve(LIMITS, min_size=min_size, max_size=8)
    boots = boots_wanted(census, limits, due_for_replacement=due)
    assert 0 <= boots <= max(0, 8 - census.total)
    if census.booting < census.waiting and census.total < 8:
        assert boots >= 1  # nobody waits for a process that nobody starts


# -- Who goes ------------------------------------------------------------------------------------


def test_retire_makes_room_only_in_a_full_pool_with_uncovered_waiters() -> None:
    full = evolve(NOBODY, total=5, waiting=2)
    assert to_retire([NEW, OLD], full, LIMITS) == [OLD, NEW]
    assert to_retire([NEW, OLD], evolve(full, booting=1), LIMITS) == [OLD]
    assert to_retire([NEW, OLD], evolve(full, closing=2), LIMITS) == []
    assert to_retire([NEW, OLD], evolve(full, total=4), LIMITS) == []


def test_idle_timeout_closes_the_surplus_least_recently_used_first() -> None:
    idle = [Idle(since=since) for since in (10.0, 5.0, 200.0)]
    census = evolve(NOBODY, total=4)
    assert to_close(idle, census, LIMITS, now=310.0) == [idle[1], idle[0]]
    assert to_close(idle, census, LIMITS, now=309.9) == [idle[1]]
    assert to_close(idle, evolve(census, total=3), LIMITS, now=310.0) == [idle[1]]
    assert to_close(idle, evolve(census, total=2), LIMITS, now=310.0) == []


def test_idle_timeout_takes_away_what_callers_have_said() -> None:
    idle = [Idle(since=since) for since in (10.0, 5.0, 200.0)]
    assert to_forget(idle, LIMITS, now=310.0) == [idle[1], idle[0]]
    assert to_forget(idle, LIMITS, now=309.9) == [idle[1]]
    assert to_forget([Idle(has_kept=False)], LIMITS, now=310.0) == []


def test_max_requests_and_max_rss_but_not_before_the_first_turn() -> None:
    assert not is_due_for_replacement(Idle(uses=499, rss=1_000), LIMITS)
    assert is_due_for_replacement(Idle(uses=500), LIMITS)
    assert is_due_for_replacement(Idle(uses=1, rss=1_001), LIMITS)
    assert not is_due_for_replacement(Idle(uses=0, rss=1_001), LIMITS)
    assert is_due_for_replacement(Idle(is_outdated=True), LIMITS)


def test_a_process_serves_one_turn_at_least_however_large_it_is() -> None:
    large = Idle(rss=1_000_000_000)
    assert [is_due_for_replacement(evolve(large, uses=uses), LIMITS) for uses in (0, 1, 2)] == [
        False,
        True,
        True,
    ]
    assert not is_due_for_replacement(Idle(uses=1, rss=None), LIMITS)


def test_those_that_close_are_no_surplus() -> None:
    idle = [Idle(since=since) for since in (1.0, 2.0, 3.0)]
    census = evolve(NOBODY, total=5, closing=2)
    assert to_close(idle, census, LIMITS, now=1000.0) == [idle[0]]


def test_the_limits_are_those_of_the_settings() -> None:
    settings = PoolSettings(min_size=1, max_size=7, idle_timeout=8.0, max_requests=9, max_rss=10)
    assert PoolLimits.of(settings) == PoolLimits(1, 7, 8.0, 9, 10)


def test_enabled_false_keeps_nothing_before_or_after_use() -> None:
    settings = effective(PoolSettings(enabled=False))
    kept = (settings.min_size, settings.warmup_on_startup, settings.reuse)
    assert kept == (0, False, "never")
    assert effective(PoolSettings()) == PoolSettings()
