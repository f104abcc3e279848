"""What the API refuses, this refuses too."""

import pytest

from tests.standin.requests import asking
from trioproxy.standin import ApiError, plan

BAD_BODIES: dict[str, object] = {
    "The body must be a JSON object": [],
    "model: Field required": {"messages": [{"role": "user", "content": ""}], "max_tokens": 1},
    "model: Input should be": asking("", model=3),
    "max_tokens: Field required": {"model": "m", "messages": [{"role": "user", "content": ""}]},
    "max_tokens: Input should be": asking("", max_tokens=0),
    "messages: Field required": {"model": "m", "max_tokens": 1},
    "messages: Input should be": asking("", messages=[]),
    "stop_sequences: Input should be": asking("", stop_sequences=[""]),
}


@pytest.mark.parametrize("reason", BAD_BODIES)
def test_a_bad_body_is_refused(reason: str) -> None:
    with pytest.raises(ApiError) as refusal:
        plan(BAD_BODIES[reason], number=1)
    assert refusal.value.status == 400
    assert reason in refusal.value.message


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": True},
        {"max_tokens": 1.5},
        {"messages": {}},
        {"messages": ["hello"]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": ["hello"]}]},
        {"messages": [{"role": "tool", "content": "hello"}]},
        {"model": ""},
    ],
    ids=str,
)
def test_a_near_miss_is_refused_too(more: dict[str, object]) -> None:
    with pytest.raises(ApiError):
        plan(asking("", **more), number=1)
