"""The queue of turns: first come, first served."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import turn
from trioproxy.errors import PoolClosed
from trioproxy.pool.job import Job
from trioproxy.pool.waiters import Waiters


def queue(count: int) -> tuple[Waiters, list[Job]]:
    waiters, jobs = Waiters(), [Job(turn()) for _ in range(count)]
    for job in jobs:
        waiters.join(job)
    return waiters, jobs


def test_waiters_are_served_in_their_order() -> None:
    waiters, (first, second, third) = queue(3)
    assert waiters.first is first
    waiters.leave(first)
    assert waiters.first is second
    waiters.leave(third)
    waiters.leave(third)  # and again, which does nothing
    assert (len(waiters), first in waiters, second in waiters) == (1, False, True)


def test_waiters_join_ahead_of_all() -> None:
    waiters, (first, _) = queue(2)
    ahead = Job(turn())
    waiters.join(ahead, ahead=True)
    assert waiters.first is ahead
    waiters.leave(ahead)
    assert waiters.first is first


def test_waiters_that_all_fail_have_the_reason() -> None:
    waiters, jobs = queue(2)
    error = PoolClosed("The server is stopping.")
    waiters.fail_all(error)
    assert len(waiters) == 0
    errors = [job.error for job in jobs]
    assert [str(each) for each in errors] == [error.message] * 2
    assert len({id(each) for each in (*errors, error)}) == 3  # each is raised by itself


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=30))
def test_waiters_agree_with_a_plain_list(steps: list[tuple[bool, int]]) -> None:
    waiters = Waiters()
    plain: list[Job] = []
    for ahead, leaver in steps:
        job = Job(turn())
        waiters.join(job, ahead=ahead)
        plain.insert(0 if ahead else len(plain), job)
        if leaver < len(plain):
            waiters.leave(plain.pop(leaver))
        assert len(waiters) == len(plain)
        assert waiters.first is (plain[0] if plain else None)
