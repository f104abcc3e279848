"""When a request may be sent again, and when a pool is broken: every case."""

import pytest

from trioproxy.forward.condition import Condition
from trioproxy.forward.connection import CAUSES
from trioproxy.forward.retry import may_retry

METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "QUERY"]
IDEMPOTENT = METHODS[:5]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_request_without_a_body(cause: str, method: str) -> None:
    again = may_retry(cause, method, has_body=False, is_begun=False, is_whole=True)
    is_safe = method in IDEMPOTENT
    assert again == (cause in {"connect", "connect_timeout"} or (cause == "lost" and is_safe))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_body_of_which_nothing_was_taken(cause: str, method: str) -> None:
    again = may_retry(cause, method, has_body=True, is_begun=False, is_whole=True)
    assert again == (cause in {"connect", "connect_timeout", "lost"})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_body_that_is_still_there(cause: str, method: str) -> None:
    again = may_retry(cause, method, has_body=True, is_begun=True, is_whole=True)
    is_safe = method in IDEMPOTENT
    assert again == (cause in {"connect", "connect_timeout"} or (cause == "lost" and is_safe))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_body_whose_beginning_is_gone(cause: str, method: str) -> None:
    assert not may_retry(cause, method, has_body=True, is_begun=True, is_whole=False)


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
