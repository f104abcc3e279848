"""What one contender came to in one case, bout by bout. Times in seconds."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from attrs import define, field, frozen
from pool_performance_test import percentile

Told = dict[str, Any]


@define
class Series:
    """See above. `cpu`: seconds of the server's processor time for each turn, a figure a bout."""

    case: str
    contender: str
    bouts: list[Told] = field(factory=list)
    cpu: list[float] = field(factory=list)

    def add(self, told: Told) -> None:
        """One more bout."""
        self.bouts.append(told)

    def each(self, what: str) -> list[float]:
        """All single times: of `first` or `whole`."""
        return [time for bout in self.bouts for time in bout[what]]

    def p50(self, what: str) -> float:
        """The median of the bouts' medians, so that one bad moment counts once."""
        return median(median(bout[what]) for bout in self.bouts if bout[what])

    def p99(self, what: str) -> float:
        """The time that one in a hundred exceeds."""
        return percentile(self.each(what), 0.99)

    @property
    def rate(self) -> float:
        """Answers a second, in the median bout."""
        return median(bout["rate"] for bout in self.bouts)

    @property
    def answered(self) -> int:
        """How many there were."""
        return len(self.each("whole"))

    @property
    def failures(self) -> Counter[str]:
        """What went wrong, and how often."""
        return sum((Counter(bout["failures"]) for bout in self.bouts), Counter())

    def as_json(self) -> Told:
        """The numbers, without the single times."""
        told: Told = {"case": self.case, "contender": self.contender, "answered": self.answered}
        if self.answered:
            told["rate"] = [bout["rate"] for bout in self.bouts]
            for what in "first", "whole":
                told[what] = {"p50": self.p50(what), "p99": self.p99(what)}
        return {**told, "cpu": self.cpu, "failures": self.failures}


def by_bout(one: Series, other: Series, of: Callable[[Told, Told], float]) -> float:
    """The median of what two come to in the same rounds: what else the machine does meets both."""
    return median(of(*pair) for pair in zip(one.bouts, other.bouts, strict=True))


def later(one: Series, other: Series, what: str, of: str = "") -> float:
    """How much longer the first one takes, by the medians of each round."""
    return by_bout(one, other, lambda a, b: median(a[what]) - median(b[of or what]))


def lags(bouts: Sequence[Told], rate: float) -> list[float]:
    """How much later each delta came than its stream's own pace wants, in seconds.

    The delta of a stream that came soonest is the one that was in time.
    """
    found = []
    for bout in bouts:
        for deltas in bout["deltas"]:
            offsets = [time - number / rate for number, time in enumerate(deltas)]
            found += [offset - min(offsets) for offset in offsets]
    return found


@frozen
class Figure:
    """A number that is no series of turns. `value` in `unit`."""

    case: str
    name: str
    value: float
    unit: str
