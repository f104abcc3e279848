"""The pool's decisions, each by itself."""

from math import inf

from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import turn
from trioproxy.claude.conversation import Asked
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
    to_free,
    to_retire,
)
from trioproxy.settings import PoolSettings

LIMITS = PoolLimits(
    min_size=2,
    max_size=5,
    idle_timeout=300.0,
    conversation_timeout=200.0,
    max_requests=500,
    max_rss=1_000,
)
NOBODY = Census(total=0, booting=0, closing=0, fresh=0, waiting=0)
ASKED = Asked(turn())
NOW = 100.0


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

    standing: int = 0
    shared: int = 0

    def fit(self, asked: Asked) -> Fit:
        return self.suits

    def common(self, asked: Asked) -> int:
        return self.shared


# -- Who answers ---------------------------------------------------------------------------------

OLD, NEW = Idle(Fit.HAS, 1.0), Idle(Fit.HAS, 2.0)


def test_choose_takes_who_suits_best() -> None:
    idle = [Idle(fit, 9.0 - fit) for fit in Fit]
    assert choose(ASKED, idle, NOW) == idle[Fit.HAS]
    assert choose(ASKED, idle[:3], NOW) == idle[Fit.KNOWS]
    assert choose(ASKED, idle[:2], NOW) == idle[Fit.TAKES]
    assert choose(ASKED, idle[:1], NOW) is None


def test_choose_takes_who_was_used_last() -> None:
    assert choose(ASKED, [OLD, NEW], NOW) is NEW
    known = [Idle(Fit.KNOWS, 2.0, oldest_use=5.0), Idle(Fit.KNOWS, 1.0)]
    assert choose(ASKED, known, NOW) is known[0]
    free = [Idle(Fit.TAKES, 1.0), Idle(Fit.TAKES, 2.0)]
    assert choose(ASKED, free, NOW) is free[1]


def test_choose_has_the_prompt_forgotten_that_was_not_used_for_longest() -> None:
    idle = [Idle(oldest_use=5.0, since=9.0), Idle(oldest_use=3.0), Idle(oldest_use=4.0)]
    assert choose(ASKED, idle, NOW) is idle[1]


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
    settings = PoolSettings(
        min_size=1,
        max_size=7,
        idle_timeout=8.0,
        conversation_timeout=6.0,
        max_requests=9,
        max_rss=10,
    )
    assert PoolLimits.of(settings) == PoolLimits(1, 7, 8.0, 6.0, 9, 10)


def test_a_conversation_is_taken_away_sooner_than_a_prompt() -> None:
    idle = [Idle(since=0.0, standing=4), Idle(since=0.0)]
    assert to_forget(idle, LIMITS, now=199.9) == []
    assert to_forget(idle, LIMITS, now=200.0) == [idle[0]]
    assert to_forget(idle, LIMITS, now=300.0) == idle
    longer = evolve(LIMITS, conversation_timeout=1000.0)
    assert to_forget(idle, longer, now=300.0) == idle


# -- Conversations -------------------------------------------------------------------------------


def test_choose_takes_where_most_of_it_stands() -> None:
    most = Idle(Fit.KNOWS, standing=8, shared=4)
    idle = [Idle(Fit.HAS, standing=9), Idle(Fit.HAS, standing=2, shared=2), most, Idle(Fit.HAS)]
    assert choose(ASKED, idle, NOW) is most


def test_choose_spares_what_stands_for_who_has_nothing() -> None:
    free = Idle(Fit.TAKES)
    idle = [Idle(Fit.HAS, standing=9, since=50.0), free]
    assert choose(ASKED, idle, NOW) is free
    assert choose(ASKED, idle[:1], NOW, may_wipe=False) is None
    assert choose(ASKED, idle[:1], NOW) is idle[0]


def test_choose_gives_up_what_is_worth_least() -> None:
    short, long = Idle(standing=2, since=90.0), Idle(standing=200, since=90.0)
    old = Idle(standing=20, since=0.0)
    assert choose(ASKED, [long, short], NOW) is short
    assert choose(ASKED, [long, short, old], NOW) is short
    assert choose(ASKED, [long, old], NOW) is old
    bound = Idle(Fit.NOT, standing=1, shared=1)
    assert choose(ASKED, [bound, long], NOW) is long


def test_one_is_freed_where_conversations_stand_in_all() -> None:
    idle = [Idle(standing=20), Idle(standing=2), Idle(standing=30)]
    limits = evolve(LIMITS, max_size=3)
    full = evolve(NOBODY, total=3, kept=3)
    assert to_free(idle, full, limits, NOW) is idle[1]
    assert to_free(idle[:2], evolve(full, kept=2), limits, NOW) is None  # one is in use, or free
    assert to_free(idle, full, LIMITS, NOW) is None  # another can be booted
    single = evolve(LIMITS, max_size=1)
    assert to_free(idle[:1], evolve(NOBODY, total=1, kept=1), single, NOW) is None


def test_boots_keep_one_ready_beside_conversations() -> None:
    kept = evolve(NOBODY, total=2, kept=2)
    assert boots_wanted(kept, LIMITS) == 1
    assert boots_wanted(evolve(kept, total=3), LIMITS) == 0  # nothing stands in the third
    assert boots_wanted(evolve(kept, total=3, closing=1), LIMITS) == 1
    assert boots_wanted(evolve(kept, kept=5, total=5), LIMITS) == 0
    assert boots_wanted(evolve(NOBODY, total=2), LIMITS) == 0


def test_enabled_false_keeps_nothing_before_or_after_use() -> None:
    settings = effective(PoolSettings(enabled=False))
    kept = (settings.min_size, settings.warmup_on_startup, settings.reuse)
    assert kept == (0, False, "never")
    assert effective(PoolSettings()) == PoolSettings()
