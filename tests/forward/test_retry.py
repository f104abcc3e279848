"""When a request may be sent again, and when a pool is broken: every case."""

import pytest

from trioproxy.forward.condition import Condition
from trioproxy.forward.connection import CAUSES
from trioproxy.forward.retry import may_retry

# For each cause, whether a request is sent again: without a body, with one of which nothing was
# taken, with one that is still there, and with one whose beginning is gone. First for a method
# that is idempotent, then for one that is not. "+": it is, "-": it is not.
RETRIES = {
    "connect": "+++- +++-",
    "connect_timeout": "+++- +++-",
    "lost": "+++- -+--",
    "tls": "---- ----",
    "write_timeout": "---- ----",
    "read_timeout": "---- ----",
    "garbage": "---- ----",
    "fault": "---- ----",
}
BODIES = {
    "no body": {"has_body": False, "is_begun": False, "is_whole": True},
    "nothing taken": {"has_body": True, "is_begun": False, "is_whole": True},
    "still there": {"has_body": True, "is_begun": True, "is_whole": True},
    "beginning gone": {"has_body": True, "is_begun": True, "is_whole": False},
}
METHODS = {
    "GET": 0,
    "HEAD": 0,
    "OPTIONS": 0,
    "PUT": 0,
    "DELETE": 0,
    "POST": 1,
    "PATCH": 1,
    "QUERY": 1,
}


def test_retry_table_has_every_cause() -> None:
    assert set(RETRIES) == set(CAUSES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cause", RETRIES)
def test_retry_of_a_request(cause: str, method: str) -> None:
    row = RETRIES[cause].split()[METHODS[method]]
    again = [may_retry(cause, method, **body) for body in BODIES.values()]
    assert "".join("-+"[one_more] for one_more in again) == row


@pytest.mark.parametrize("cause", ["connect", "connect_timeout", "tls", "lost"])
def test_three_failures_in_a_row_and_not_again_for_ten_seconds(cause: str) -> None:
    condition = Condition()
    assert [condition.failed(cause, now=0.0) for _ in range(4)] == [False, False, True, False]
    assert condition.is_failing
    assert [condition.failed(cause, now=now) for now in (9.9, 10.0)] == [False, True]


def test_a_success_ends_it() -> None:
    condition = Condition(failures=3)
    condition.succeeded()
    assert not condition.is_failing
    assert not condition.failed("lost", now=30.0)


def test_a_success_between_them_starts_anew() -> None:
    condition = Condition()
    for _ in range(5):
        assert not condition.failed("lost", now=0.0)
        assert not condition.failed("lost", now=0.0)
        condition.succeeded()


def test_a_fault_of_the_client_is_enough_by_itself() -> None:
    assert Condition().failed("fault", now=0.0)


@pytest.mark.parametrize("cause", ["read_timeout", "write_timeout", "garbage"])
def test_an_upstream_that_is_slow_or_odd_says_nothing_of_the_pool(cause: str) -> None:
    condition = Condition()
    assert not any(condition.failed(cause, now=0.0) for _ in range(10))
    assert not condition.is_failing
