"""How long the pool leaves a CLI alone that does not start, with the time passed in."""

import pytest

from trioproxy.errors import BootFailed
from trioproxy.pool.backoff import FIRST, LONGEST, Backoff

ERROR = BootFailed("It did not start.")


def test_backoff_doubles_up_to_its_longest() -> None:
    backoff, now = Backoff(), 0.0
    for failures in range(12):
        longest = min(LONGEST, FIRST * 2**failures)
        until = backoff.failed(ERROR, now)
        assert until is not None
        assert longest / 2 <= until - now <= longest
        assert backoff.is_waiting(until - 0.001)
        assert not backoff.is_waiting(until)
        now = until


def test_backoff_counts_failures_meanwhile_as_one() -> None:
    backoff = Backoff()
    until = backoff.failed(ERROR, 0.0)
    assert until is not None
    assert backoff.failed(ERROR, until - 0.001) is None
    again = backoff.failed(ERROR, until)
    assert again is not None
    assert again - until <= 2 * FIRST


def test_backoff_starts_over_after_a_success() -> None:
    backoff, now = Backoff(), 0.0
    for _ in range(5):
        now = backoff.failed(ERROR, now) or now
    assert backoff.succeeded()
    assert backoff.error is None
    assert not backoff.is_waiting(now)
    assert not backoff.succeeded()
    until = backoff.failed(ERROR, now)
    assert until is not None
    assert until - now <= FIRST


@pytest.mark.parametrize("lives", [1, 2, 3])
def test_backoff_takes_one_short_life_for_an_accident(lives: int) -> None:
    backoff = Backoff()
    storms = [backoff.is_storm() for _ in range(lives)]
    assert storms == [number > 0 for number in range(lives)]
    backoff.succeeded()
    assert not backoff.is_storm()
