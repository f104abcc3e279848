"""What one contender came to in one case, round by round. Times in seconds."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from attrs import define, field, frozen
from bench.common import percentile

Told = dict[str, Any]


@define
class Series:
    """A contender's rounds in a case. `cpu`: seconds of the server for each turn, by round."""

    case: str
    contender: str
    rounds: list[Told] = field(factory=list)
    cpu: list[float] = field(factory=list)

    def add(self, result: Told) -> None:
        """One more round."""
        self.rounds.append(result)

    def each(self, what: str) -> list[float]:
        """All single times: of `first` or `whole`."""
        return [time for round_ in self.rounds for time in round_[what]]

    def p50(self, what: str) -> float:
        """The median of the rounds' medians, so that one bad moment counts once."""
        return float(median(median(round_[what]) for round_ in self.rounds if round_[what]))

    def p99(self, what: str) -> float:
        """The time that one in a hundred exceeds."""
        return percentile(self.each(what), 0.99)

    @property
    def rate(self) -> float:
        """Answers a second, in the median round."""
        return float(median(round_["rate"] for round_ in self.rounds))

    @property
    def answered(self) -> int:
        """How many there were."""
        return len(self.each("whole"))

    @property
    def failures(self) -> Counter[str]:
        """What went wrong, and how often."""
        return sum((Counter(round_["failures"]) for round_ in self.rounds), Counter())

    def as_json(self) -> Told:
        """The numbers, without the single times."""
        result: Told = {"case": self.case, "contender": self.contender, "answered": self.answered}
        if self.answered:
            result["rate"] = [round_["rate"] for round_ in self.rounds]
            for what in "first", "whole":
                result[what] = {"p50": self.p50(what), "p99": self.p99(what)}
        return {**result, "cpu": self.cpu, "failures": self.failures}


def by_round(series: Series, other: Series, of: Callable[[Told, Told], float]) -> float:
    """The median of what two come to in the same rounds: what else the machine does meets both."""
    return median(of(*pair) for pair in zip(series.rounds, other.rounds, strict=True))


def later(series: Series, other: Series, what: str, of: str = "") -> float:
    """How much longer the first one takes, by the medians of each round."""
    return by_round(series, other, lambda a, b: median(a[what]) - median(b[of or what]))


def lags(rounds: Sequence[Told], rate: float) -> list[float]:
    """How much later each delta came than its stream's own pace wants, in seconds.

    The delta of a stream that came soonest is the one that was in time.
    """
    found = []
    for round_ in rounds:
        for deltas in round_["deltas"]:
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
