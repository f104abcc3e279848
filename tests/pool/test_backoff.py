"""How long the pool leaves a CLI alone that does not start, with the time passed in."""

import pytest

from trioproxy.errors import BootCause, BootFailed
from trioproxy.pool.backoff import FIRST, FORGIVEN, LONGEST, Backoff


def failure(cause: BootCause = "exited") -> BootFailed:
    return BootFailed("It did not start.", cause=cause, detail="it printed")


def failed(backoff: Backoff, now: float, cause: BootCause = "exited") -> float:
    """A boot that began at `now` fails then: how long to wait."""
    backoff.failed(failure(cause), now, now)
    return backoff.retry_at - now


def test_backoff_doubles_from_its_first_to_its_longest() -> None:
    backoff, now = Backoff(), 100.0
    for longest in (FIRST, 1.0, 2.0, 4.0, 8.0, LONGEST, LONGEST, LONGEST):
        wait = failed(backoff, now)
        assert longest / 2 <= wait <= longest
        assert backoff.is_waiting(now + wait - 0.001)
        assert not backoff.is_waiting(now + wait)
        now += wait
    assert (FIRST, LONGEST) == (0.5, 15.0)


def test_backoff_varies_its_waits() -> None:
    waits = [failed(Backoff(), 0.0) for _ in range(200)]
    assert min(waits) < FIRST * 0.6
    assert max(waits) > FIRST * 0.9


def test_backoff_counts_boots_that_fail_together_as_one() -> None:
    backoff = Backoff()
    backoff.failed(failure(), 1.0, 5.0)
    retry_at = backoff.retry_at
    backoff.failed(failure(), 1.0, 5.0)
    backoff.failed(failure(), 4.9, 6.0)
    assert backoff.retry_at == retry_at
    backoff.failed(failure(), 5.0, 7.0)  # one that began when the first had failed
    assert 7.0 + FIRST <= backoff.retry_at <= 7.0 + 2 * FIRST


def test_backoff_counts_failures_of_one_cause_in_a_row() -> None:
    backoff = Backoff()
    for now in (0.0, 10.0, 20.0):
        failed(backoff, now)
    assert failed(backoff, 30.0, "silent") <= FIRST
    assert FIRST <= failed(backoff, 40.0, "silent") <= 2 * FIRST
    assert failed(backoff, 50.0) <= FIRST


@pytest.mark.parametrize(("cause", "forgiven"), FORGIVEN.items(), ids=str)
def test_backoff_takes_the_first_deaths_for_accidents(cause: BootCause, forgiven: int) -> None:
    backoff = Backoff()
    for number in range(forgiven):
        failed(backoff, float(number), cause)
        assert backoff.has_failed
        assert backoff.error is None
        assert not backoff.is_waiting(float(number))
    assert FIRST / 2 <= failed(backoff, 10.0, cause) <= FIRST
    assert backoff.error is not None


def test_backoff_forgives_what_a_signal_ends_twice_and_a_short_life_once() -> None:
    assert FORGIVEN == {"killed": 2, "short-lived": 1}


def test_backoff_starts_over_after_a_success() -> None:
    backoff = Backoff()
    assert not backoff.has_failed
    for now in (0.0, 1.0, 2.0, 3.0, 4.0):
        failed(backoff, now)
    backoff.succeeded()
    assert not backoff.has_failed
    assert backoff.error is None
    assert backoff.retry_at == 0.0
    assert failed(backoff, 5.0) <= FIRST
    backoff.succeeded()
    for now in (10.0, 11.0):
        failed(backoff, now, "killed")
    backoff.succeeded()
    failed(backoff, 12.0, "killed")
    assert backoff.error is None


def test_backoff_keeps_an_error_of_its_own() -> None:
    backoff, error = Backoff(), failure()
    backoff.failed(error, 0.0, 0.0)
    assert backoff.error is not None
    assert backoff.error is not error  # which holds on to all that it was raised through
    assert backoff.error.log_message == error.log_message
    assert backoff.error.cause is error.cause
