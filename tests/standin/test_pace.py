"""Which event is due when."""

import pytest

from tests.standin.asking import asking
from trioproxy.standin import Pace, events, plan
from trioproxy.standin.pace import timetable


def test_the_timetable_is_absolute() -> None:
    stream = events(plan(asking("[[standin words=3]]"), number=1))
    due = [when for when, _ in timetable(stream, Pace(first=1, rate=4))]
    assert due == [1, 1, 1, 1, 1.25, 1.5, 1.75, 1.75, 1.75]


def test_without_a_rate_all_is_one_chunk() -> None:
    stream = events(plan(asking("[[standin words=3]]"), number=1))
    [(due, chunk)] = timetable(stream, Pace(first=2))
    assert due == 2
    assert chunk.count(b"\n\n") == len(stream)


@pytest.mark.parametrize(
    ("first", "rate"), [(-1, 1), (float("inf"), 1), (0, 0), (0, float("nan"))]
)
def test_a_pace_must_be_possible(first: float, rate: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        Pace(first=first, rate=rate)
