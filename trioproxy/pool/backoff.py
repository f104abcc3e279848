"""How long to leave a CLI alone that does not start: pure, with the time passed in."""

import random

from attrs import define, field

from trioproxy.errors import BootFailed

FIRST = 0.5
LONGEST = 60.0
SETTLED = 2.0  # seconds that a process must live for its boot to count as one


@define(eq=False)
class Backoff:
    """Doubles from `FIRST` to `LONGEST` seconds, less a random part of up to a half.

    While there is an error, one process at a time tries the water for all.
    """

    error: BootFailed | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _until: float = field(default=0.0, init=False)
    _short_lives: int = field(default=0, init=False)

    def is_waiting(self, now: float) -> bool:
        """Whether to wait before starting another process."""
        return now < self._until

    def failed(self, error: BootFailed, now: float) -> float | None:
        """A boot has failed: when to try again, or None if that is settled already."""
        self.error = error
        if self.is_waiting(now):
            return None
        longest = min(LONGEST, FIRST * 2**self._failures)
        self._failures += 1
        self._until = now + longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return self._until

    def is_storm(self) -> bool:
        """A process has ended just after its boot: one may be an accident, two are none."""
        self._short_lives += 1
        return self._short_lives > 1

    def succeeded(self) -> bool:
        """A boot has succeeded: whether that ends a time of failures."""
        had_failed = self.error is not None
        self._short_lives = 0
        self.error = None
        self._failures = 0
        self._until = 0.0
        return had_failed
