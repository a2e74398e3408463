"""Which PDU leaves when, over which link: windows, tokens, pauses, retries, and the wish to stop.

Everything that may let a message go (an answer, a token, a link, the end of a pause) calls `pump`, which asks `may_send`
and writes in the same breath: nothing comes between the question and the write.
"""

import asyncio
from collections import deque
from functools import partial
from itertools import count

import structlog

from notifiers.smpp.bucket import TokenBucket
from notifiers.smpp.metrics import SMSMetrics
from notifiers.smpp.pulse import Pulse
from notifiers.smpp.sending import SendingLink
from notifiers.smpp.session import Refusal, Session
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.shipment import Shipment
from notifiers.smpp.timing import Backoff, Timer, Timing
from notifiers.smpp.verdicts import Verdict, verdict_on
from notifiers.smpp.window import Window

LOG = structlog.get_logger("muster.sms")
LEAST_PART = 4
PORTION = 256  # PDUs of one write: the longest that anybody waits for his turn, and that a stop comes too late
ASKED_EVERY = 0.1  # seconds between two questions of `may_send` while letters wait
LONGEST_RETRY = 10.0
_QUIET_SECONDS = 10.0  # a gateway that throttles does so many times a second
_LOUD = {Verdict.SENDER, Verdict.BUG, Verdict.SESSION}


class Traffic:
    """Shipments in, PDUs out.  Implements `SessionEvents`."""

    def __init__(
        self, settings: SMSSettings, *, window: Window, bucket: TokenBucket, metrics: SMSMetrics, timing: Timing
    ) -> None:
        self._settings = settings
        self._window = window
        self._bucket = bucket
        self._metrics = metrics
        self._timing = timing
        self._links: dict[Session, SendingLink] = {}
        self._urgent: deque[Shipment] = deque()
        self._bulk: deque[Shipment] = deque()
        self._retries = Backoff(settings.retry_seconds, LONGEST_RETRY, timing.chance)
        self._numbers = count()
        self._delayed: dict[int, tuple[Timer, Shipment, list[int]]] = {}
        self._timer: Timer | None = None
        self._due = 0.0
        self._closed = False
        self._quiet_until = 0.0
        self._answered: asyncio.Future[None] | None = None
        self._pulse = Pulse(timing, lambda: self.unanswered > 0)
        metrics.unanswered.set_function(lambda: self.unanswered)

    @property
    def unanswered(self) -> int:
        """PDUs written and not yet answered, over all links."""
        return sum(session.unanswered for session in self._links)

    @property
    def kept(self) -> int:
        """Those of them whose progress is kept: nobody takes places of the window for them."""
        return sum(session.kept for session in self._links)

    def ship(self, shipment: Shipment) -> None:
        """Take it over; its `settled` tells when all is known."""
        if self._closed:
            shipment.hold()
        self._queue(shipment, first=False)
        self.pump()

    def link_up(self, session: Session, *, urgent_only: bool) -> None:
        places = max(1, self._settings.window // self._settings.binds)
        pauses = Backoff(self._settings.pause_seconds, self._settings.longest_pause_seconds, self._timing.chance)
        self._links[session] = SendingLink(session, places, pauses, urgent_only=urgent_only)
        self.pump()

    def link_down(self, session: Session) -> None:
        self._links.pop(session, None)
        self._window.serve()
        self._wake()

    def close(self) -> None:
        """Nothing more is written: what is unwritten is held."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for timer, shipment, indices in self._delayed.values():
            timer.cancel()
            self._again(shipment, indices)
        self._delayed.clear()
        for lane in (self._urgent, self._bulk):
            while lane:
                lane.popleft().hold()

    async def all_answered(self) -> None:
        """Return when every link has its answers (or is lost)."""
        while self.unanswered:
            self._answered = asyncio.get_running_loop().create_future()
            await self._answered

    # SessionEvents

    def answered(self, session: Session, answers: int, written_at: float, refusals: list[Refusal]) -> None:
        if answers:
            now = self._timing.clock()
            self._metrics.round_trip.observe(now - written_at)
            self._metrics.answered(Verdict.ACCEPTED, answers - len(refusals))
            self._window.answered(answers, written_at=written_at, arrived_at=self._pulse.arrived(now), now=now)
            link = self._links.get(session)
            if link is not None and answers > len(refusals):
                link.went_well(written_at)
            self._sort(session, refusals)
            self._wake()
        self.pump()

    def expired(self) -> None:
        self._window.serve()
        self._wake()
        self.pump()

    def _wake(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _sort(self, session: Session, refusals: list[Refusal]) -> None:
        again: dict[tuple[Shipment, float], list[int]] = {}
        loud: dict[int, Verdict] = {}
        for flight, index, status in refusals:
            shipment = flight.shipment
            verdict = verdict_on(status, self._settings.own_verdicts)
            self._metrics.answered(verdict)
            if verdict in _LOUD:
                loud[status] = verdict
            if verdict is Verdict.THROTTLED:
                self._throttle(session, flight.written_at)
                again.setdefault((shipment, 0.0), []).append(index)
                continue
            if verdict is Verdict.SESSION:
                session.retire()
            pause = self._pause_before_retry(shipment, index, verdict)
            if pause is None:
                shipment.settle(index, status)
            else:
                again.setdefault((shipment, pause), []).append(index)
        for status, verdict in loud.items():
            LOG.error("the gateway refuses what we send", verdict=verdict.value, status=hex(status))
        for (shipment, pause), indices in again.items():
            if pause:
                self._delay(pause, shipment, indices)
            else:
                self._again(shipment, indices)

    def _delay(self, pause: float, shipment: Shipment, indices: list[int]) -> None:
        """They wait apart, under a number, so that a channel which closes can hold them too."""
        number = next(self._numbers)
        timer = self._timing.call_later(pause, lambda: self._again(*self._delayed.pop(number)[1:]))
        self._delayed[number] = (timer, shipment, indices)

    def _pause_before_retry(self, shipment: Shipment, index: int, verdict: Verdict) -> float | None:
        """None when there is no further attempt."""
        tries = {
            Verdict.TRANSIENT: self._settings.attempts,
            Verdict.SESSION: self._settings.attempts,
            Verdict.VENDOR: 2,
        }
        shipment.attempts[index] += 1
        tried = shipment.attempts[index]
        return self._retries.after(tried - 1) if tried < tries.get(verdict, 1) else None

    def _throttle(self, session: Session, written_at: float) -> None:
        now = self._timing.clock()
        self._window.throttled(written_at=written_at, now=now)
        link = self._links.get(session)
        if link is not None and (pause := link.throttled(written_at, now)) is not None:
            if now >= self._quiet_until:
                self._quiet_until = now + _QUIET_SECONDS
                LOG.info("the gateway asks for pauses", seconds=round(pause, 3))
            self._timing.call_later(pause, self.pump)

    def _again(self, shipment: Shipment, indices: list[int]) -> None:
        waiting = bool(shipment.unwritten)
        shipment.again(indices)
        if self._closed:
            shipment.hold()
        elif not waiting:
            self._queue(shipment, first=True)
        self.pump()

    # Out

    def pump(self, least: int = LEAST_PART) -> None:
        """Write what may be written now; of a range whose progress is kept no less than this part of the window or a whole
        portion, if there is so much: more room comes with the next answers, and many small writes cost more than few.
        """  # noqa: D205
        if self._closed:
            return
        for lane in (self._urgent, self._bulk):
            while lane and self._write_portion(lane, least):
                pass
        if self._urgent or self._bulk:
            self._come_back()

    def _write_portion(self, lane: deque[Shipment], least: int) -> bool:
        """Write one portion of the first shipment; False when there is no room for it."""
        shipment = lane[0]
        if shipment.over or not self._allowed(shipment):
            lane.popleft()
            return True
        link, room = self._roomiest(urgent=shipment.urgent)
        if shipment.progress is not None:
            room = min(room, self._window.room)
            if room < min(shipment.unwritten, self._window.limit // least, PORTION) and self.kept:
                return False
        tokens = self._bucket.available(min(room, PORTION, shipment.unwritten), urgent=shipment.urgent)
        if link is None or tokens < 1:
            return False
        lane.popleft()
        indices = shipment.take(tokens)
        if indices and shipment.depart(indices, partial(self._allowed, shipment)):
            self._bucket.spend(len(indices))
            link.session.submit(shipment, indices)
            self._pulse.wake()
        if shipment.unwritten:
            # A range whose progress is kept is as long as it may be, so that the next can be claimed while it is sent.
            (lane.append if shipment.progress is None else lane.appendleft)(shipment)
        return True

    def _allowed(self, shipment: Shipment) -> bool:
        try:
            allowed = shipment.may_send()
        except Exception as exc:  # noqa: BLE001 - one caller's bug must not stop the others' letters
            shipment.fail(exc)
            return False
        if not allowed:
            shipment.hold()
        return allowed

    def _roomiest(self, *, urgent: bool) -> tuple[SendingLink | None, int]:
        now = self._timing.clock()
        found: tuple[SendingLink | None, int] = (None, 0)
        for link in self._links.values():
            room = link.room(now, urgent=urgent)
            # An urgent message leaves its own link only when that one has no room.
            if room > found[1] or (urgent and link.urgent_only and room):
                found = (link, room)
                if link.urgent_only:
                    break
        return found

    def _queue(self, shipment: Shipment, *, first: bool) -> None:
        if not shipment.unwritten:
            return
        lane = self._urgent if shipment.urgent else self._bulk
        (lane.appendleft if first else lane.append)(shipment)

    def _come_back(self) -> None:
        """Letters wait: come back when a token is there, at the latest when `may_send` is to be asked again."""
        delay = min(self._bucket.delay(urgent=bool(self._urgent)) or ASKED_EVERY, ASKED_EVERY)
        due = self._timing.clock() + delay
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._timing.call_later(delay, self._ask_and_pump)

    def _ask_and_pump(self) -> None:
        """Whoever waits is asked, also those that are not first: nothing is held later than need be."""
        self._timer = None
        for lane in (self._urgent, self._bulk):
            waiting = [shipment for shipment in lane if not shipment.over and self._allowed(shipment)]
            lane.clear()
            lane.extend(waiting)
        self.pump(self._window.limit)  # whoever has waited for so long takes what there is
