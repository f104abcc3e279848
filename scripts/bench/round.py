"""What came of a round: turns for a while, or so many of them. Quick to import."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

_LEAD = 0.2  # of a round: what ends then does not count for the rate, since all begin at once
_FEW = 10  # answers: with fewer, all of them count, until the last one


@dataclass
class Turn:
    """One answer. Times in seconds from its question.

    `first`: to the first event, or the first byte; `whole`: to the last one; `deltas`: when each
    delta of the model's came.
    """

    first: float
    whole: float
    deltas: list[float]


@dataclass
class Outcome:
    """All answers of a round. `seconds`: how long it was meant to be; 0: as long as it took."""

    seconds: float
    ended: list[tuple[float, Turn]] = field(default_factory=list)  # when, in the round
    failures: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """What is told of it; a `lag` is how much later a delta came than the pace wants."""
        return {
            "rate": self._rate(),
            "first": [round(turn.first, 6) for _, turn in self.ended],
            "whole": [round(turn.whole, 6) for _, turn in self.ended],
            "deltas": [turn.deltas for _, turn in self.ended if turn.deltas],
            "failures": dict(self.failures),
        }

    def _rate(self) -> float:
        lead = _LEAD * self.seconds
        steady = [when for when, _ in self.ended if lead <= when <= self.seconds]
        if len(steady) >= _FEW:
            return len(steady) / (self.seconds - lead)
        return len(self.ended) / max((when for when, _ in self.ended), default=1.0)


@dataclass(frozen=True)
class Round:
    """What is to be done, by so many at once, each beginning anew when it has its answer.

    Either for `seconds`, or `turns` of each. `bodies` are requests, taken in turn; `pause` is the
    time between an answer and the next question; `wants_deltas`: tell when each came.
    """

    at_once: int
    bodies: list[dict[str, Any]]
    seconds: float = 0.0
    turns: int = 0
    pause: float = 0.0
    wants_deltas: bool = False

    def is_over(self, done: int, elapsed: float) -> bool:
        """Whether who has done so many turns is to begin no more."""
        return done >= self.turns if self.turns else elapsed >= self.seconds

    def as_json(self) -> dict[str, Any]:
        """For a child."""
        return asdict(self)
