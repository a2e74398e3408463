"""A bound link as the traffic sees it: how many PDUs it may take now."""

from notifiers.smpp.session import Session
from notifiers.smpp.timing import Backoff

URGENT_SHARE = 10


class SendingLink:
    """Its places, its pauses, and whether it is kept for urgent messages."""

    def __init__(self, session: Session, places: int, pauses: Backoff, *, urgent_only: bool) -> None:
        self.session = session
        self.urgent_only = urgent_only
        self._places = places
        # With a single place there is nothing to reserve: bulk would never go.
        self._reserve = max(1, places // URGENT_SHARE) if places > 1 else 0
        self._pauses = pauses
        self._paused_at = float("-inf")
        self._paused_until = float("-inf")

    def room(self, now: float, *, urgent: bool) -> int:
        """How many PDUs may be written now."""
        session = self.session
        if session.leaving or session.full or now < self._paused_until or (self.urgent_only and not urgent):
            return 0
        free = self._places - session.unanswered
        return max(0, free if urgent else free - self._reserve)

    def throttled(self, written_at: float, now: float) -> float | None:
        """Pause; for how long, or none if the answer is about what was written before the present pause."""
        if written_at <= self._paused_at:
            return None
        pause = self._pauses.next()
        self._paused_at = now
        self._paused_until = now + pause
        return pause

    def went_well(self, written_at: float) -> None:
        """What was written after the pause is taken again."""
        if written_at > self._paused_at:
            self._pauses.reset()
