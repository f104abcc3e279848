"""How long an answer may take: to begin, from one event to the next, and in all."""

import trio

from trioproxy.errors import TurnTimeout
from trioproxy.settings import PoolSettings


class TurnDeadlines:
    """The deadlines of one turn, as the cancel scope that its worker answers in.

    The time that the caller takes to read counts for the whole answer alone.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._ends_at = trio.current_time() + settings.turn_timeout
        self._setting = "first_event_timeout"
        self.scope = trio.CancelScope()
        self.wait()

    def wait(self) -> None:
        """Start the deadline for the next event."""
        limit: float = getattr(self._settings, self._setting)
        self.scope.deadline = min(self._ends_at, trio.current_time() + limit)

    def pause(self) -> None:
        """Suspend the deadline for events while the caller reads them."""
        self._setting = "event_timeout"
        self.scope.deadline = self._ends_at

    def error(self) -> TurnTimeout:
        """The error for the deadline that passed."""
        name = self._setting if self.scope.deadline < self._ends_at else "turn_timeout"
        what = {
            "first_event_timeout": "The answer did not begin",
            "event_timeout": "The answer did not continue",
            "turn_timeout": "The answer was not complete",
        }[name]
        return TurnTimeout(f"{what} within {getattr(self._settings, name):g} s (`{name}`).")
