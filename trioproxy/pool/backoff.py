"""How long to leave a CLI alone that does not start: pure, with the time passed in."""

import random

from attrs import define, field

from trioproxy.errors import BootCause, BootFailed

FIRST = 0.5
LONGEST = 15.0
SETTLED = 2.0  # seconds that a process must live for its boot to count as one

FORGIVEN = {"killed": 2, "short-lived": 1}
"""How many failures in a row say nothing of the next boot: what ended it may be an accident."""


@define(eq=False)
class Backoff:
    """Doubles from `FIRST` to `LONGEST` seconds, less a random part of up to a half.

    It counts failures of one cause in a row. While there is an `error`, one process at a time
    tries the water for all, not before `retry_at`; a process that serves ends it.
    """

    error: BootFailed | None = field(default=None, init=False)
    retry_at: float = field(default=0.0, init=False)
    _cause: BootCause | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _failed_at: float = field(default=float("-inf"), init=False)

    @property
    def has_failed(self) -> bool:
        """Whether the last boot has failed, be it forgiven or not."""
        return self._failures > 0

    def is_waiting(self, now: float) -> bool:
        """Whether to wait before starting another process."""
        return now < self.retry_at

    def failed(self, error: BootFailed, started_at: float, now: float) -> None:
        """A boot has failed. Those that were under way with the last that did count as one."""
        if started_at < self._failed_at:
            return
        self._failures = self._failures + 1 if error.cause is self._cause else 1
        self._cause, self._failed_at = error.cause, now
        counted = self._failures - FORGIVEN.get(error.cause, 0)
        if counted > 0:
            self.error = error.again()
            longest = min(LONGEST, FIRST * 2 ** (counted - 1))
            self.retry_at = now + longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def succeeded(self) -> None:
        """A process has come up, and serves."""
        self.error = self._cause = None
        self._failures = 0
        self.retry_at = 0.0
