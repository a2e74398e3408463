"""Recording what became of ranges, and telling the decider which batches are done."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import blake2b

from sqlalchemy import Connection

from agents.dispatch.batch import Batch
from agents.routes import post
from registry import addresses as address_book
from registry import ledger, outbox
from registry.leases import Lease
from registry.ledger import Fate, Range, Record
from schemas.appeals import BatchOutcome, BatchRepeated, BatchSent, RepeatOutcome

SOURCE = "/muster/dispatch"


class Turned(Enum):
    """Why nothing was opened or claimed, or a record was not written as it is."""

    LEASE_LOST = "another worker owns this partition now"
    TAKEN = "somebody else has claimed these positions"
    CLOSED = "the appeal has been closed meanwhile"


@dataclass(frozen=True, slots=True)
class Finished:
    """A record to write, under which lease and of which claim, and addresses that the gateway refused for good.  No token:
    nobody has claimed these positions.
    """  # noqa: D205

    batch: Batch
    record: Record
    lease: Lease
    token: str
    size: int  # members of the batch
    final: bool  # the last record of its batch
    refused_for_good: tuple[tuple[int, int], ...] = ()  # (member, status)
    whole: bool = False  # the record covers the whole batch


@dataclass(slots=True)
class Orphaned:
    """What opening batches found of dead owners: what is known of their claims, and batches that are over with them."""

    records: list[Record] = field(default_factory=list)
    over: list[Batch] = field(default_factory=list)

    def add(self, batch: Batch, records: Iterable[Record], *, over: bool) -> None:
        self.records += records
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
    connection: Connection, finished: Sequence[Finished], orphaned: Orphaned, held: Collection[Lease], now: datetime
) -> list[Turned | None]:
    """Write these records and the orphaned ones, and tell the decider which batches are done.

    Where another worker has taken the lease over meanwhile, it has settled what was claimed: of such a record only what it
    has left to the claim counts.  Last in its transaction: on PostgreSQL whoever writes records holds the others up.
    """
    late = [item for item in finished if item.lease not in held]
    mine = [item.record for item in finished if item.lease in held]
    ledger.record(connection, [*orphaned.records, *mine, *_left_to(connection, late)], now)
    for item in finished:
        for member_id, status in item.refused_for_good:
            address_book.record_failure(connection, item.batch.draft.channel, [member_id], status, now)
    done = [item for item in finished if item.final and item.batch.mass]
    whole = {item.batch.id: item.record.fates for item in done if item.whole and item.lease in held}
    over = [item.batch for item in done if item.lease in held or _is_over(connection, item)]
    _tell_sent(connection, [*orphaned.over, *over], now, whole)
    return [None if item.lease in held else Turned.LEASE_LOST for item in finished]


def _left_to(connection: Connection, late: Sequence[Finished]) -> Iterator[Record]:
    """The parts of these records that still belong to their claims."""
    if not late:
        return
    batches = [item.batch.id for item in late]
    claimed = ledger.claimed_with(connection, batches, {item.token for item in late})
    for item in late:
        whole = item.record
        for span in claimed.get(item.token, ()):
            part = slice(span.first - whole.range.first, span.last - whole.range.first)
            yield record_of(item.batch, span, whole.fates[part], whole.gateway_ids[part])


def _is_over(connection: Connection, item: Finished) -> bool:
    """Everybody in the batch is recorded, by whomever."""
    standing = ledger.standing(connection, [item.batch.id]).get(item.batch.id, ledger.UNTOUCHED)
    return not standing.orphans and not standing.gaps(item.size)


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
