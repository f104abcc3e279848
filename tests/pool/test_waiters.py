"""The queue of turns: first come, first served, and found by their system prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import turn
from trioproxy.errors import PoolClosed
from trioproxy.pool.job import Job
from trioproxy.pool.waiters import Waiters


def queue(*systems: str) -> tuple[Waiters, list[Job]]:
    waiters, jobs = Waiters(), [Job(turn(system=system)) for system in systems]
    for job in jobs:
        waiters.join(job)
    return waiters, jobs


def test_waiters_are_served_in_their_order() -> None:
    waiters, (first, second, third) = queue("a", "b", "a")
    assert waiters.first is first
    waiters.leave(first)
    assert waiters.first is second
    waiters.leave(third)
    waiters.leave(third)  # and again, which does nothing
    assert (len(waiters), first in waiters, second in waiters) == (1, False, True)


def test_waiters_join_ahead_of_all() -> None:
    waiters, (first, _) = queue("a", "b")
    ahead = Job(turn(system="b"))
    waiters.join(ahead, ahead=True)
    assert waiters.first is ahead
    assert waiters.first_for("b", may_pass_first=False) is ahead
    waiters.leave(ahead)
    assert waiters.first is first


@pytest.mark.parametrize(
    ("bound", "may_pass_first", "found"),
    [
        (None, False, 0),
        ("a", False, 0),
        ("b", False, None),
        ("b", True, 1),
        ("c", True, None),
    ],
)
def test_waiters_first_for_a_bound_worker(
    bound: str | None, *, may_pass_first: bool, found: int | None
) -> None:
    waiters, jobs = queue("a", "b", "a", "b")
    expected = None if found is None else jobs[found]
    assert waiters.first_for(bound, may_pass_first=may_pass_first) is expected


def test_waiters_are_counted_by_prompt_without_oneself() -> None:
    waiters, (first, second, _) = queue("a", "b", "a")
    assert (waiters.of("a"), waiters.of("b"), waiters.of("c")) == (2, 1, 0)
    assert waiters.of("a", before=first) == 1
    assert waiters.of("a", before=second) == 2


def test_waiters_that_all_fail_have_the_reason() -> None:
    waiters, jobs = queue("a", "b")
    error = PoolClosed("The server is stopping.")
    waiters.fail_all(error)
    assert len(waiters) == 0
    assert [job.error for job in jobs] == [error, error]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 60)), max_size=30))
def test_waiters_agree_with_a_plain_list(steps: list[tuple[str, bool, int]]) -> None:
    waiters = Waiters()
    plain: list[Job] = []
    for system, ahead, leaver in steps:
        job = Job(turn(system=system))
        waiters.join(job, ahead=ahead)
        plain.insert(0 if ahead else len(plain), job)
        if leaver < len(plain):
            waiters.leave(plain.pop(leaver))
        assert len(waiters) == len(plain)
        assert waiters.first is (plain[0] if plain else None)
        for prompt in "abc":
            same = [waiting for waiting in plain if waiting.turn.system == prompt]
            assert waiters.of(prompt) == len(same)
            first = waiters.first_for(prompt, may_pass_first=True)
            assert first is (same[0] if same else None)
