"""The tracking agent: facts become the counts and the lines that the live board shows."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from sqlalchemy import Connection

from agents.diary import write_down
from agents.gather import Gather
from agents.routes import batch_id
from registry import board, outbox
from registry.database import Database
from registry.turns import take_turn
from schemas import appeals as say
from schemas.dispatch import DeliveryReported
from schemas.envelope import Envelope
from schemas.reader import Message
from schemas.words import Answer
from streams.inbox import Delivery

_TALLY = ("sent", "refused", "uncertain", "withdrawn", "opted_out", "messages")
Counts = dict[str, int]
_AT_ONCE = 64
_REMEMBERED = 1024  # events that were shown before the log has brought them


@dataclass(frozen=True, slots=True)
class Told:
    """An event by itself, wherever it stands on the log."""

    envelope: Envelope
    message: Message


class Track:
    """Each event counts once per appeal, however often it is delivered, and whichever way it comes first."""

    def __init__(self, database: Database, *, reader: str) -> None:
        self._reader = reader
        self._events: Gather[Told, bool] = Gather(database, self._apply, limit=_AT_ONCE)
        self._ahead: dict[str, asyncio.Task[None]] = {}  # by event, the oldest first; the log is still to bring them

    async def __call__(self, delivery: Delivery) -> None:
        ahead = self._ahead.pop(delivery.envelope.id, None)
        if ahead is not None:
            await asyncio.shield(ahead)
        else:
            await self._show(Told(delivery.envelope, delivery.message))

    def go_ahead(self, envelope: Envelope, message: Message) -> None:
        """Begin to show an event that has been committed to the outbox, before the log brings it."""
        self._ahead[envelope.id] = asyncio.create_task(self._show(Told(envelope, message)))
        if len(self._ahead) > _REMEMBERED:
            # The log brings some to other workers; what was shown is known to the database, too.
            del self._ahead[next(iter(self._ahead))]

    async def _show(self, told: Told) -> None:
        if _shows(told.message) and await self._events.add(told):
            write_down(told.message)

    def _apply(self, connection: Connection, events: Sequence[Told]) -> list[bool]:
        """Count those that come for the first time; which ones these were."""
        new = outbox.are_new(connection, self._reader, [told.envelope.id for told in events])
        by_appeal: defaultdict[str, list[Told]] = defaultdict(list)
        for told in compress(events, new):
            by_appeal[told.message.appeal_id].append(told)  # type: ignore[union-attr, index]
        # In one order for everybody, or two transactions could wait for each other.
        for appeal_id in sorted(by_appeal):
            _project(connection, appeal_id, by_appeal[appeal_id])
        return new


def _project(connection: Connection, appeal_id: str, events: Sequence[Told]) -> None:
    # Two reactions, and two workers, count for the same appeal: what is read here must be the newest.
    take_turn(connection, f"board/{appeal_id}")
    counts: Counts = dict(board.counts(connection, appeal_id))  # type: ignore[arg-type]
    lines: list[board.Line] = []
    for told in events:
        message = told.message
        _add(counts, _progress(connection, message) if isinstance(message, say.BatchSent) else _changes(message))
        lines += [(told.envelope.time, what, details) for what, details in lines_of(message)]
    board.happened(connection, appeal_id, lines)
    board.put_counts(connection, appeal_id, counts, events[-1].envelope.time)


def _shows(message: Message) -> bool:
    """Whether the board has anything of it."""
    return isinstance(message, say.BatchSent) or bool(_changes(message) or lines_of(message))


def _add(counts: Counts, changes: Mapping[str, int]) -> None:
    for name, change in changes.items():
        counts[name] = counts.get(name, 0) + change


def _progress(connection: Connection, sent: say.BatchSent) -> Counts:
    """What this report adds; of a batch that was reported before, what it corrects."""
    told = {
        batch_id(sent.appeal_id, sent.wave, item.shard, item.batch): {name: getattr(item, name) for name in _TALLY}
        for item in sent.batches
    }
    before = board.report(connection, told)
    total = {
        name: sum(now[name] - before.get(batch, {}).get(name, 0) for batch, now in told.items()) for name in _TALLY
    }
    return total | {f"wave{sent.wave}_{name}": number for name, number in total.items()}


def _changes(message: Message) -> Counts:  # noqa: PLR0911 - a table, one entry per type
    """What this event adds to the counts of its appeal."""
    match message:
        case say.WaveOpened():
            wave = f"wave{message.wave}"
            return {
                "waves": 1,
                "matched": message.matched,
                "invited": message.invited,
                f"{wave}_members": message.members,
                f"{wave}_matched": message.matched,
                f"{wave}_invited": message.invited,
            }
        case say.BatchRepeated():
            messages = sum(item.messages for item in message.batches)
            return {"messages": messages, f"wave{message.wave}_messages": messages}
        case say.MemberAnswered():
            return {f"replies_{message.answer.value}": 1, f"replies_by_{message.channel.value}": 1}
        case say.MemberScreened():
            return {"screened": 1, "screened_match" if message.matched else "screened_no_match": 1}
        case say.AppealFilled() | say.AppealStopped() | say.AppealExpired():
            return {"unreleased": message.unreleased, "stood_down": len(message.stood_down)}
        case say.MemberStoodDown():
            return {"stood_down": 1}
        case DeliveryReported() | say.UncertainSettled():
            return {name: sum(getattr(item, name) for item in message.batches) for name in ("delivered", "failed")}
        case _:
            return {}


def lines_of(message: Message) -> list[tuple[str, dict[str, object]]]:  # noqa: PLR0911 - as above
    """What the board tells of it, if anything: ids and numbers only."""
    match message:
        case say.AppealLaunched():
            return [("launched", {"need": message.need})]
        case say.WaveOpened():
            return [("wave", {"wave": message.wave, "matched": message.matched, "invited": message.invited})]
        case say.RepeatOrdered():
            return [("repeat", {"wave": message.wave, "members": message.members})]
        case say.MemberAnswered():
            said = {Answer.YES: "yes", Answer.NO: "no", Answer.WITHDRAWN: "withdrawn"}[message.answer]
            return [(said, {"member": message.member_id, "channel": message.channel.value})]
        case say.MemberScreened():
            return [("confirmed" if message.matched else "no-match", {"member": message.member_id})]
        case say.AppealFilled() | say.AppealExpired() | say.AppealStopped():
            details: dict[str, object] = {"confirmed": message.confirmed, "unreleased": message.unreleased}
            return [(type(message).__name__.removeprefix("Appeal").lower(), details)]
        case say.AppealPaused() | say.AppealResumed():
            return [(type(message).__name__.removeprefix("Appeal").lower(), {"by": message.by})]
        case _:
            return []
