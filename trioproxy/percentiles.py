"""Percentiles of the latest times."""

from collections import deque
from collections.abc import Iterable
from typing import Self

from attrs import frozen

_KEPT = 1000


def latest() -> deque[float]:
    """Room for the latest thousand times."""
    return deque(maxlen=_KEPT)


@frozen
class Percentiles:
    """Of the latest thousand times, in seconds; None when there is none yet."""

    p50: float | None
    p90: float | None
    p99: float | None

    @classmethod
    def of(cls, times: Iterable[float]) -> Self:
        """The nearest-rank percentiles."""
        ranked = sorted(times)
        if not ranked:
            return cls(None, None, None)
        last = len(ranked) - 1
        return cls(*(ranked[round(last * share)] for share in (0.5, 0.9, 0.99)))
