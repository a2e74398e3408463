"""What the live board shows: one appeal, from matched members to confirmed donors, in one look."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from decisions.appeals.state import AppealState, read_state
from registry import appeals, board, ledger, replies, uncertain
from registry.ledger import Fate
from registry.uncertain import Doubtful
from schemas.spec import AppealSpec
from schemas.words import CHANNEL_NAMES, Answer, Channel

_LATEST = 8
_RATE_SECONDS = 3.0
SAID = {
    "launched": "appeal launched, {need} needed",
    "wave": "wave {wave} opened: {matched:,} match, {invited:,} invited",
    "yes": "member {member} said yes by {channel}",
    "no": "member {member} said no by {channel}",
    "withdrawn": "member {member} took the yes back",
    "confirmed": "member {member} confirmed",
    "no-match": "member {member} is no match",
    "repeat": "wave {wave}: {members:,} uncertain members asked a second time",
    "paused": "paused by {by}",
    "resumed": "resumed by {by}",
    "filled": "need met: {confirmed} confirmed, {unreleased:,} withdrawn before release",
    "expired": "deadline passed with {confirmed} confirmed",
    "stopped": "stopped with {confirmed} confirmed",
}


@dataclass(frozen=True, slots=True)
class Happened:
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Wave:
    number: int
    opens_at: datetime
    opened: bool
    matched: int
    invited: int
    sent: int  # members
    messages: int  # fewer where members share a number, more where some were asked again
    uncertain: int


@dataclass(frozen=True, slots=True)
class View:
    """All that the board shows, as read in one snapshot."""

    appeal_id: str
    status: str
    drill: bool
    need: int
    launched_at: datetime
    deadline: datetime
    now: datetime
    matched: int
    invited: int
    messages: int
    delivered: int
    accepted: int
    declined: int
    screened: int
    confirmed: int
    stood_down: int
    refused: int
    uncertain: int  # to this moment
    settled: int  # had been uncertain until a receipt came
    asked_again: int  # had been uncertain, and may have a second message
    withdrawn: int
    opted_out: int
    desk: int
    messages_after_end: int  # that were on their way, at most
    last_message_after_ms: int | None  # after the end, when the last of them had left; none while it is open
    waves: tuple[Wave, ...]
    latest: tuple[Happened, ...]

    @property
    def over(self) -> bool:
        """Nothing more is sent."""
        return self.status not in appeals.OPEN

    @property
    def left(self) -> timedelta:
        return max(timedelta(), self.deadline - self.now)

    def as_json(self) -> dict[str, object]:
        names = [name for name in self.__slots__ if name not in {"waves", "latest", "now"}]
        facts: dict[str, object] = {name: getattr(self, name) for name in names}
        facts["need_met"] = self.confirmed >= self.need
        facts["seconds_left"] = round(self.left.total_seconds())
        facts["waves"] = [{name: getattr(wave, name) for name in wave.__slots__} for wave in self.waves]
        return facts


def read(connection: Connection, appeal_id: str, now: datetime) -> View:
    """The board of this appeal.  Raises `NotFound`."""
    row = appeals.appeal(connection, appeal_id)
    spec = AppealSpec.model_validate_json(row.spec)
    counts = board.counts(connection, appeal_id)
    said = replies.answers(connection, appeal_id)
    doubtful = uncertain.doubtful(connection, appeal_id)

    def count(name: str) -> int:
        return int(counts.get(name, 0))  # type: ignore[call-overload, no-any-return]

    waves = tuple(_waves(spec, row.launched_at, count, doubtful, partial(ledger.fates, connection, appeal_id)))
    state = read_state(row.state) if row.state else None
    after, late = ledger.sent_after(connection, appeal_id, row.closed_at) if row.closed_at else (0, None)
    return View(
        appeal_id=appeal_id,
        status=row.status,
        drill=row.drill,
        need=spec.need,
        launched_at=row.launched_at,
        deadline=row.deadline,
        now=row.closed_at or now,
        matched=count("matched"),
        invited=sum(wave.invited for wave in state.waves) if state else 0,
        messages=max(count("messages"), sum(wave.messages for wave in waves)),
        delivered=count("delivered"),
        accepted=sum(entry.answer == Answer.YES for entry in said),
        declined=sum(entry.answer != Answer.YES for entry in said),
        screened=sum(entry.matched is not None for entry in said),
        confirmed=sum(bool(entry.matched) and entry.answer == Answer.YES for entry in said),
        stood_down=count("stood_down"),
        refused=count("refused"),
        uncertain=_still_uncertain(doubtful),
        settled=sum(item.settled(position) for item in doubtful for position in item.named),
        asked_again=sum(len(item.repeated()) for item in doubtful),
        withdrawn=count("withdrawn") + _unreleased(state),
        opted_out=count("opted_out"),
        desk=len(replies.waiting_for_a_person(connection)),
        messages_after_end=after,
        last_message_after_ms=None if late is None else round(late / timedelta(milliseconds=1)),
        waves=waves,
        latest=tuple(
            Happened(line.happened_at, SAID.get(line.what, line.what).format(**_details(line.details)))
            for line in board.latest(connection, appeal_id, _LATEST)
        ),
    )


def _still_uncertain(doubtful: Sequence[Doubtful]) -> int:
    return sum(len(item.still()) for item in doubtful)


def _unreleased(state: AppealState | None) -> int:
    return state.unreleased() if state is not None and state.status.closed else 0


def _details(text: str) -> dict[str, object]:
    details: dict[str, object] = json.loads(text)
    if "channel" in details:
        details["channel"] = CHANNEL_NAMES[Channel(str(details["channel"]))].english
    return details


def _waves(
    spec: AppealSpec,
    launched_at: datetime,
    count: Callable[[str], int],
    doubtful: Sequence[Doubtful],
    fates: Callable[[int], Mapping[Fate, int]],
) -> list[Wave]:
    waves = []
    for number, wave in enumerate(spec.waves, start=1):
        invited, sent, messages = (count(f"wave{number}_{name}") for name in ("invited", "sent", "messages"))
        if sent < invited:
            # Batches are reported when they are done: of large ones nothing would be seen for minutes.
            known = fates(number)
            messages = max(messages, known.get(Fate.SENT, 0))
            sent = max(sent, known.get(Fate.SENT, 0) + known.get(Fate.SHARED, 0))
        waves.append(
            Wave(
                number=number,
                opens_at=launched_at + wave.after,
                opened=count("waves") >= number,
                matched=count(f"wave{number}_matched"),
                invited=invited,
                sent=sent,
                messages=messages,
                uncertain=_still_uncertain([item for item in doubtful if item.name.wave == number]),
            )
        )
    return waves


@dataclass(frozen=True, slots=True)
class Rates:
    """How many a second, as seen between two looks."""

    sent: float
    delivered: float


def rates(earlier: View, later: View, seconds: float) -> Rates:
    """What happened between two looks that were so many real seconds apart."""
    return Rates((later.messages - earlier.messages) / seconds, (later.delivered - earlier.delivered) / seconds)


class Pace:
    """The rates of the last few seconds, from one look to the next."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: deque[tuple[float, View]] = deque()

    def after(self, view: View) -> Rates | None:
        """The rates with this look; none after the first one."""
        now = self._clock()
        while len(self._looks) > 1 and now - self._looks[1][0] >= _RATE_SECONDS:
            self._looks.popleft()
        self._looks.append((now, view))
        began, earlier = self._looks[0]
        return rates(earlier, view, now - began) if now > began else None
