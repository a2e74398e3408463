"""Recording what became of ranges, and telling the decider which batches are done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection

from agents.dispatch.batch import Batch
from agents.routes import post
from registry import addresses as address_book
from registry import ledger, outbox
from registry.ledger import Fate, Range, Record
from schemas.appeals import BatchOutcome, BatchRepeated, BatchSent, RepeatOutcome

SOURCE = "/muster/dispatch"


@dataclass(frozen=True, slots=True)
class Finished:
    """A record to write, the last one of its batch if `final`, and addresses that the gateway refused for good."""

    batch: Batch
    record: Record
    final: bool
    refused_for_good: tuple[tuple[int, int], ...] = ()  # (member, status)
    whole: bool = False  # the record covers the whole batch


@dataclass(slots=True)
class Orphaned:
    """What opening batches found of dead owners: ranges that nobody will record any more, and batches that are over with them."""

    records: list[Record] = field(default_factory=list)
    over: list[Batch] = field(default_factory=list)

    def add(self, batch: Batch, ranges: Iterable[Range], *, over: bool) -> None:
        self.records += [all_alike(batch, span, Fate.UNCERTAIN) for span in ranges]
        if over and batch.mass:
            self.over.append(batch)


def record_of(batch: Batch, span: Range, fates: bytes, gateway_ids: Sequence[str]) -> Record:
    """What became of this range of a batch."""
    return Record(span, batch.appeal_id or "", batch.wave, fates, tuple(gateway_ids))


def all_alike(batch: Batch, span: Range, fate: Fate) -> Record:
    """The same became of all of them, and the gateway named none."""
    count = span.last - span.first
    return record_of(batch, span, bytes([fate]) * count, ("",) * count)


def record_ranges(
    connection: Connection, finished: Sequence[Finished], orphaned: Orphaned, now: datetime
) -> list[None]:
    """Write these records, name the orphaned uncertain, and tell the decider which batches are done.

    Last in its transaction: on PostgreSQL whoever writes records holds the others up until it ends.
    """
    ledger.record(connection, [*orphaned.records, *(item.record for item in finished)], now)
    for item in finished:
        for member_id, status in item.refused_for_good:
            address_book.record_failure(connection, item.batch.draft.channel, [member_id], status, now)
    done = [item for item in finished if item.final and item.batch.mass]
    whole = {item.batch.id: item.record.fates for item in done if item.whole}
    _tell_sent(connection, [*orphaned.over, *(item.batch for item in done)], now, whole)
    return [None] * len(finished)


def _tell_sent(connection: Connection, batches: Sequence[Batch], now: datetime, known: Mapping[str, bytes]) -> None:
    """One `BatchSent` per wave for these batches, and one `BatchRepeated` for those that were second attempts."""
    waves: dict[tuple[str, int, bool], list[BatchOutcome]] = {}
    for batch in batches:
        fates = known.get(batch.id)
        if fates is None:
            fates = b"".join(record.fates for record in ledger.records_of(connection, batch.id))
        waves.setdefault((batch.appeal_id or "", batch.wave, batch.again), []).append(_outcome(batch, fates))
    outbox.put(
        connection,
        [
            post(
                BatchRepeated(appeal_id=appeal_id, wave=wave, batches=tuple(outcomes))
                if again
                else BatchSent(appeal_id=appeal_id, wave=wave, batches=tuple(outcomes)),
                event_id=f"{appeal_id}/{wave}/{'repeated' if again else 'sent'}/{_digest(outcomes)}",
                source=SOURCE,
                time=now,
            )
            for (appeal_id, wave, again), outcomes in waves.items()
        ],
    )


def _digest(outcomes: Sequence[BatchOutcome]) -> str:
    """A name for these outcomes: told again, they are the same event."""
    told = ";".join(outcome.model_dump_json() for outcome in outcomes)
    return blake2b(told.encode(), digest_size=12).hexdigest()


def _outcome(batch: Batch, fates: bytes) -> BatchOutcome:
    assert batch.slice is not None
    told = BatchOutcome(
        shard=batch.slice.shard,
        batch=batch.slice.number,
        sent=fates.count(Fate.SENT) + fates.count(Fate.SHARED),
        refused=fates.count(Fate.REFUSED) + fates.count(Fate.NO_ADDRESS),
        uncertain=fates.count(Fate.UNCERTAIN),
        withdrawn=fates.count(Fate.WITHDRAWN),
        opted_out=fates.count(Fate.OPTED_OUT),
        messages=fates.count(Fate.SENT),
    )
    return RepeatOutcome(**dict(told), spared=fates.count(Fate.SPARED)) if batch.again else told
