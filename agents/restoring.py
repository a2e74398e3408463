"""What a restored backup must learn before anybody works on it: who may have been asked since, and that open appeals wait.

All that the ledger does not know is read as "may have been asked".  With a ledger copy these are the members who were
claimed; without one they are everybody who was invited and has no record.  Nobody is asked again by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Row

from agents.doors import SOURCE
from agents.routes import batch_id, post
from decisions.batches import batch_size, first_of, read_name
from registry import appeals, ledger, outbox, selections, uncertain
from registry.errors import Refused
from registry.ledger import Claim, Fate, Range, Record, Standing
from registry.ledger_copy import Claimed, Remembered
from schemas.appeals import PauseAppeal
from schemas.dispatch import SendingPaused
from schemas.outgoing import Outgoing
from schemas.spec import AppealSpec

OWNER = "restore"  # of claims that no worker made; their epoch is 0
_AT_ONCE = 500
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """An open appeal as it stands after the restore."""

    appeal_id: str
    invited: int
    uncertain: int  # named by this restore
    to_ask: int  # selected, and certainly not asked yet
    given_up: tuple[int, ...]  # waves that may have opened since: nobody knows whom they asked, so they ask nobody


@dataclass(frozen=True, slots=True)
class Restored:
    """What the restore found out and wrote down."""

    appeals: tuple[BroughtBack, ...]
    answers: int  # acknowledgements and kind words that had left, or may have
    forgotten: Mapping[str, int]  # appeals launched after the backup, and how many members they invited
    pauses: tuple[Outgoing, ...]  # for the topic `controls`, before any worker starts


@dataclass(frozen=True, slots=True)
class Restoring:
    """Who restores, and by which settings; `most_in_batch` and `shards` are for appeals that nobody has decided on yet."""

    by: str
    now: datetime
    shards: int
    most_in_batch: int
    new_id: Callable[[], str]


def take_stock(connection: Connection, copy: Remembered | None, how: Restoring) -> Restored:
    """Name who is uncertain in the restored database, and pause what is open.

    Raises `Refused` when the copy does not belong to this backup.
    """
    known = {row.appeal_id for row in appeals.appeals(connection)}
    if copy is not None:
        _ensure_complete(connection, copy)
        _learn_members(connection, copy, known)
    back = [_bring_back(connection, row, copy, how) for row in appeals.appeals(connection, open_only=True)]
    answers = _name_answers(connection, copy, how.now) if copy is not None else 0
    pauses = [_pause(connection, item.appeal_id, how) for item in back]
    return Restored(tuple(back), answers, _forgotten(copy, known), tuple(pauses))


# --- the copy -------------------------------------------------------------------------------------------------------


def _ensure_complete(connection: Connection, copy: Remembered) -> None:
    """A copy that does not know what the backup knows was not written when the backup was made, or not for it."""
    newest = ledger.newest_claim(connection)
    if newest is None or any(
        (line.first, line.last) == (newest.first, newest.last) for line in copy.claims.get(newest.batch_id, ())
    ):
        return
    raise Refused(
        "MUSTER_LEDGER_COPY: this copy does not know what the backup knows: name the folder that the worker had when "
        "the backup was made, or restore with --without-copy"
    )


def _learn_members(connection: Connection, copy: Remembered, known: set[str]) -> None:
    """Selections and second attempts that were fixed after the backup: whom the claims mean."""
    for line in copy.selections:
        if line.appeal_id in known:
            selections.fix(connection, line.appeal_id, line.wave, line.shard, np.frombuffer(line.members, "<i8"))
    for repeat in copy.repeats:
        if read_name(repeat.batch_id).appeal_id in known:
            uncertain.put_repeat(connection, repeat.batch_id, repeat.positions)


def _forgotten(copy: Remembered | None, known: set[str]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for line in copy.selections if copy else ():
        if line.appeal_id not in known:
            found[line.appeal_id] += len(line.members) // 8
    return dict(found)


# --- mass messages --------------------------------------------------------------------------------------------------


def _bring_back(
    connection: Connection, row: Row[tuple[object, ...]], copy: Remembered | None, how: Restoring
) -> BroughtBack:
    appeal_id = str(row.appeal_id)
    given_up: tuple[int, ...] = ()
    if copy is None:
        given_up = _give_up_waves(connection, row, how)
        _end_repeats(connection, appeal_id)
    invited = selections.sizes(connection, appeal_id)
    size = uncertain.batch_size(connection, appeal_id) if row.state else batch_size(_spec(row).waves, how.most_in_batch)
    extents = {
        batch_id(appeal_id, wave, shard, number): min(size, members - number * size)
        for (wave, shard), members in invited.items()
        for number in range(-(-members // size))
    } | uncertain.repeat_sizes(connection, appeal_id)
    named = to_ask = 0
    for names in _portions(list(extents), _AT_ONCE):
        part = _name_batches(connection, {name: extents[name] for name in names}, copy, how)
        named, to_ask = named + part[0], to_ask + part[1]
    return BroughtBack(appeal_id, sum(invited.values()), named, to_ask, given_up)


def _spec(row: Row[tuple[object, ...]]) -> AppealSpec:
    return AppealSpec.model_validate_json(str(row.spec))


def _give_up_waves(connection: Connection, row: Row[tuple[object, ...]], how: Restoring) -> tuple[int, ...]:
    """Waves that may have selected members since the backup select nobody any more."""
    appeal_id = str(row.appeal_id)
    fixed = selections.sizes(connection, appeal_id)
    shards = uncertain.shards(connection, appeal_id) if row.state else how.shards
    given_up = []
    for wave, opening in enumerate(_spec(row).waves, start=1):
        missing = [shard for shard in range(shards) if (wave, shard) not in fixed]
        if missing and row.launched_at + opening.after <= how.now:
            given_up.append(wave)
            for shard in missing:
                selections.fix(connection, appeal_id, wave, shard, np.empty(0, np.int64))
    return tuple(given_up)


def _end_repeats(connection: Connection, appeal_id: str) -> None:
    """Whoever was uncertain at the backup may have been asked a second time since."""
    for found in uncertain.doubtful(connection, appeal_id):
        uncertain.fix_repeat(connection, found.batch_id)


def _name_batches(
    connection: Connection, extents: Mapping[str, int], copy: Remembered | None, how: Restoring
) -> tuple[int, int]:
    """How many members of these batches are named uncertain now, and how many are still to be asked."""
    standing = ledger.standing(connection, list(extents))
    records: list[Record] = []
    over: list[Claim] = []
    to_ask = 0
    for name, size in extents.items():
        found = standing.get(name, ledger.UNTOUCHED)
        spans = doubted(found, size, None if copy is None else copy.claims.get(name, ()))
        records += _uncertain(name, spans)
        left = _length(Standing((*found.touched, *spans)).gaps(size))
        to_ask += 0 if name != first_of(name) else left
        if spans and not left:
            over.append(_to_be_told(name, size, how))
    ledger.record(connection, records, how.now)
    ledger.claim(connection, over, how.now)
    return sum(len(record.fates) for record in records), to_ask


def doubted(known: Standing, size: int, claims: Sequence[Claimed] | None) -> list[Span]:
    """The positions of a batch of whose members nobody knows whether they were asked.

    They were claimed and have no record; or nobody has touched them as far as the backup knows, and the copy says that
    somebody did, or there is no copy.
    """
    orphans = [(orphan.range.first, orphan.range.last) for orphan in known.orphans]
    gaps = known.gaps(size)
    if claims is None:
        return [*orphans, *gaps]
    claimed = Standing(tuple((line.first, line.last) for line in claims)).gaps(size)
    return [*orphans, *(span for gap in gaps for span in _without(gap, claimed))]


def _without(span: Span, others: Sequence[Span]) -> Iterator[Span]:
    """The parts of a span that are in none of the others, which are sorted and apart."""
    first, last = span
    for start, end in others:
        if start < last and end > first:
            if start > first:
                yield first, start
            first = end
    if first < last:
        yield first, last


def _length(spans: Iterable[Span]) -> int:
    return sum(last - first for first, last in spans)


def _uncertain(name: str, spans: Sequence[Span]) -> Iterator[Record]:
    batch = read_name(name)
    for first, last in spans:
        yield _record(Range(name, first, last), batch.appeal_id, batch.wave)


def _record(span: Range, appeal_id: str, wave: int) -> Record:
    size = span.last - span.first
    return Record(span, appeal_id, wave, bytes([Fate.UNCERTAIN]) * size, ("",) * size)


def _to_be_told(name: str, size: int, how: Restoring) -> Claim:
    """An empty claim behind the last position: dispatch finds it without a record when the decider releases the batch,
    and then tells that the batch is over.  Told now, the decider would not know the batch yet.
    """  # noqa: D205
    batch = read_name(name)
    return Claim(Range(name, size, size), batch.appeal_id, batch.wave, OWNER, 0, how.new_id())


# --- answers and kind words -----------------------------------------------------------------------------------------


def _name_answers(connection: Connection, copy: Remembered, now: datetime) -> int:
    """Messages to single members that the copy knows and the backup does not: they are not sent a second time."""
    claims = {name: lines for name, lines in copy.claims.items() if not lines[0].wave}
    records: list[Record] = []
    for names in _portions(list(claims), _AT_ONCE):
        standing = ledger.standing(connection, names)
        for name in names:
            end = max(line.last for line in claims[name])
            spans = doubted(standing.get(name, ledger.UNTOUCHED), end, claims[name])
            records += [_record(Range(name, *span), claims[name][0].appeal_id, 0) for span in spans]
    ledger.record(connection, records, now)
    return sum(len(record.fates) for record in records)


# --- pausing --------------------------------------------------------------------------------------------------------


def _pause(connection: Connection, appeal_id: str, how: Restoring) -> Outgoing:
    """The order to the decider, and what keeps workers from sending before it has heard of it."""
    order = PauseAppeal(given_by=how.by, appeal_id=appeal_id)
    outbox.put(connection, [post(order, event_id=how.new_id(), source=SOURCE, time=how.now)])
    appeals.hold(connection, appeal_id)
    return post(
        SendingPaused(appeal_id=appeal_id, decided_at=how.now), event_id=how.new_id(), source=SOURCE, time=how.now
    )


def _portions(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
