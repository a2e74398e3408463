"""The transactions of dispatch: opening a batch, claiming a range of it, recording what became of ranges.

Everything that must be true when the first byte leaves is read here, afresh, in the transaction that writes the claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection

from agents.dispatch.batch import Batch
from agents.routes import post
from registry import addresses as address_book
from registry import appeals, leases, ledger, outbox, replies
from registry.leases import Lease
from registry.ledger import Fate, Range, Record
from schemas.appeals import BatchOutcome, BatchSent
from schemas.words import Channel, Language

SOURCE = "/muster/dispatch"


class LeaseLost(Exception):
    """Another worker owns this partition now: claim nothing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What is still to be done of a batch: its size and the positions that nobody has claimed."""

    size: int
    gaps: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Addressee:
    """One message to be sent: the position of its member in the batch, and where it goes."""

    position: int
    member_id: int
    address: str
    language: Language


@dataclass(slots=True)
class Claimed:
    """A range whose claim has committed; `fates` is filled in as they become known (0 = not yet)."""

    range: Range
    token: str
    addressees: list[Addressee]
    fates: bytearray
    gateway_ids: list[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A record to write, the last one of its batch if `final`, and numbers that the gateway refused for good."""

    batch: Batch
    record: Record
    final: bool
    refused_for_good: tuple[tuple[int, int], ...] = ()  # (member, status)
    whole: bool = False  # the record covers the whole batch


def open_batch(connection: Connection, batch: Batch, lease: Lease, mine: frozenset[str], now: datetime) -> Opened:
    """What is left to do.  Ranges that a dead owner claimed and never recorded are named uncertain first."""
    _still_ours(connection, lease)
    size = _size(connection, batch)
    lost = [orphan for orphan in ledger.orphans(connection, batch.id) if orphan.token not in mine]
    if lost:
        ledger.record(connection, [_uncertain(batch, orphan.range) for orphan in lost], now)
    gaps = ledger.unclaimed(connection, batch.id, size)
    if lost and not gaps and batch.mass:
        _tell_sent(connection, [batch], now)
    return Opened(size, gaps)


def claim_range(
    connection: Connection, batch: Batch, span: Range, lease: Lease, token: str, now: datetime
) -> Claimed | None:
    """Claim these positions and read where their messages go; none when the appeal has been closed meanwhile."""
    _still_ours(connection, lease)
    if batch.mass and appeals.status(connection, batch.appeal_id or "") not in appeals.OPEN:
        return None
    claimed = Claimed(span, token, [], bytearray(span.last - span.first), [""] * (span.last - span.first))
    if batch.reply_id is not None:
        _read_reply(connection, batch, claimed)
    else:
        _read_members(connection, batch, claimed)
    ledger.claim(
        connection,
        span,
        appeal_id=batch.appeal_id or "",
        wave=batch.wave,
        owner=lease.owner,
        epoch=lease.epoch,
        token=token,
        at=now,
    )
    return claimed


def record_ranges(connection: Connection, finished: Sequence[Finished], now: datetime) -> None:
    """Write the records, and tell the decider which batches are done, in one transaction."""
    ledger.record(connection, [item.record for item in finished], now)
    for item in finished:
        for member_id, status in item.refused_for_good:
            address_book.record_sms_failure(connection, [member_id], status, now)
    done = [item for item in finished if item.final and item.batch.mass]
    if done:
        whole = {item.batch.id: item.record.fates for item in done if item.whole}
        _tell_sent(connection, [item.batch for item in done], now, whole)


def _tell_sent(
    connection: Connection, batches: Sequence[Batch], now: datetime, known: dict[str, bytes] | None = None
) -> None:
    """One `BatchSent` per wave for these batches."""
    waves: dict[tuple[str, int], list[BatchOutcome]] = {}
    for batch in batches:
        fates = (known or {}).get(batch.id)
        if fates is None:
            fates = b"".join(record.fates for record in ledger.records_of(connection, batch.id))
        waves.setdefault((batch.appeal_id or "", batch.wave), []).append(_outcome(batch, fates))
    outbox.put(
        connection,
        [
            post(
                BatchSent(appeal_id=appeal_id, wave=wave, batches=tuple(outcomes)),
                event_id=f"{appeal_id}/{wave}/sent/{_digest(outcomes)}",
                source=SOURCE,
                time=now,
            )
            for (appeal_id, wave), outcomes in waves.items()
        ],
    )


def _digest(outcomes: Sequence[BatchOutcome]) -> str:
    """A name for these outcomes: told again, they are the same event."""
    told = ";".join(outcome.model_dump_json() for outcome in outcomes)
    return blake2b(told.encode(), digest_size=12).hexdigest()


def _outcome(batch: Batch, fates: bytes) -> BatchOutcome:
    assert batch.slice is not None
    return BatchOutcome(
        shard=batch.slice.shard,
        batch=batch.slice.number,
        sent=fates.count(Fate.SENT) + fates.count(Fate.SHARED),
        refused=fates.count(Fate.REFUSED) + fates.count(Fate.NO_ADDRESS),
        uncertain=fates.count(Fate.UNCERTAIN),
        withdrawn=fates.count(Fate.WITHDRAWN),
        opted_out=fates.count(Fate.OPTED_OUT),
        messages=fates.count(Fate.SENT),
    )


def _still_ours(connection: Connection, lease: Lease) -> None:
    if not leases.holds(connection, lease):
        raise LeaseLost(lease.name)


def _size(connection: Connection, batch: Batch) -> int:
    if batch.slice is None:
        return len(batch.members) or 1
    return len(_members(connection, batch, 0, batch.slice.size))


def _members(connection: Connection, batch: Batch, first: int, last: int) -> list[int]:
    if batch.slice is None:
        return list(batch.members[first:last])
    start = batch.slice.number * batch.slice.size + first
    return ledger.selected(connection, batch.appeal_id or "", batch.wave, batch.slice.shard, start, last - first)


def _read_members(connection: Connection, batch: Batch, claimed: Claimed) -> None:
    span, channel = claimed.range, batch.draft.channel
    members = _members(connection, batch, span.first, span.last)
    assert batch.purpose is not None, "only an answer to a reply has no purpose"
    found = address_book.addresses(connection, members, channel=channel, purpose=batch.purpose)
    shared: dict[str, int] = {}  # for whom each shared address is asked: the first in the range
    for member_id in members:
        entry = found.reachable.get(member_id)
        if entry is not None and entry.shared:
            shared.setdefault(entry.address, member_id)
    fresh = set(shared)
    if shared and batch.mass:
        fresh = ledger.ask_shared(connection, batch.appeal_id or "", batch.wave, shared)
    for offset, member_id in enumerate(members):
        entry = found.reachable.get(member_id)
        if entry is None:
            claimed.fates[offset] = Fate.OPTED_OUT if member_id in found.opted_out else Fate.NO_ADDRESS
        elif entry.shared and batch.mass and entry.address not in fresh:
            claimed.fates[offset] = Fate.SHARED
        else:
            fresh.discard(entry.address)
            claimed.addressees.append(Addressee(offset, member_id, entry.address, entry.language))


def _read_reply(connection: Connection, batch: Batch, claimed: Claimed) -> None:
    reply = replies.reply(connection, batch.reply_id or "")
    if reply is None or reply.channel not in {Channel.SMS, Channel.EMAIL}:
        claimed.fates[0] = Fate.NO_ADDRESS
        return
    language = Language.CHINESE if Language.CHINESE in batch.draft.texts else next(iter(batch.draft.texts))
    if reply.member_id is not None:
        language = address_book.language_of(connection, reply.member_id) or language
    claimed.addressees.append(Addressee(0, reply.member_id or 0, reply.address, language))


def _uncertain(batch: Batch, span: Range) -> Record:
    size = span.last - span.first
    return Record(span, batch.appeal_id or "", batch.wave, bytes([Fate.UNCERTAIN]) * size, ("",) * size)
