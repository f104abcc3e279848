"""Which event is due when."""

import pytest

from tests.standin.requests import asking
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


def test_chunks_may_be_cut_anywhere() -> None:
    stream = events(plan(asking('[[standin text="Grüße 🌍 an alle"]]'), number=1))
    pace = Pace(first=1, rate=4)
    cut = timetable(stream, pace, 3)
    assert {len(chunk) for _, chunk in cut} == {1, 2, 3}
    whole = timetable(stream, pace)
    assert b"".join(chunk for _, chunk in cut) == b"".join(chunk for _, chunk in whole)
    assert sorted({due for due, _ in cut}) == sorted({due for due, _ in whole})


@pytest.mark.parametrize(
    ("first", "rate"), [(-1, 1), (float("inf"), 1), (0, 0), (0, float("nan"))]
)
def test_a_pace_must_be_possible(first: float, rate: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        Pace(first=first, rate=rate)
