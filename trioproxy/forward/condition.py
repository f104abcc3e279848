"""Whether a pool of connections is broken as a whole: decided from what its requests came to."""

from attrs import define

# Failures that may be the pool's own: old addresses, old certificates, connections gone stale.
_SUSPECT = frozenset({"connect", "connect_timeout", "tls", "lost"})
_IN_A_ROW = 3
_PAUSE = 10.0  # seconds from one renewal to the next: an upstream that is away stays away


@define(eq=False)
class Condition:
    """What the latest requests say of a pool."""

    failures: int = 0  # in a row
    _renewed_at: float = float("-inf")

    @property
    def is_failing(self) -> bool:
        """Whether request after request has failed."""
        return self.failures >= _IN_A_ROW

    def succeeded(self) -> None:
        """An answer has come."""
        self.failures = 0

    def failed(self, cause: str, now: float) -> bool:
        """Record a failed request. Returns whether to replace the pool's connections."""
        is_fault = cause == "fault"
        if not (is_fault or cause in _SUSPECT):
            return False  # the upstream is there, and slow or odd
        self.failures += 1
        if now < self._renewed_at + _PAUSE or not (is_fault or self.is_failing):
            return False
        self._renewed_at = now
        return True
