"""All that a lane writes into the ledger, in one queue and therefore in one order.

A place of the window is free for its lane as soon as the record that frees it stands in this queue: whoever takes it claims
behind that record, so both commit together, or the record first.  At no moment does the ledger hold more claims without a
record than the window has places, and yet a range costs one commit, where it would cost two if the next claim waited for the
record.  The urgent lane has a queue of its own, so that whoever waits for an answer does not wait for thousands of others.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from agents.dispatch.claims import AddressBook, Answer, Ask, Claimed, Opened, Opening, claim_ranges, open_batches
from agents.dispatch.records import Finished, Orphaned, Turned, record_ranges
from agents.gather import Gather
from agents.precedence import Precedence
from registry import addresses as address_book
from registry import leases, ledger_copy
from registry.database import Database
from registry.journal import Journals
from registry.ledger_copy import LedgerCopy
from schemas.base import LARGEST_BATCH

# Members in one transaction: a record and a claim of the longest.  More would make those wait who have just answered.
_AT_ONCE = 2 * LARGEST_BATCH
_LEAST = 512  # members: what an entry costs by itself, whoever is in it
NONE_KEPT = Journals(None)
Entry = Opening | Ask | Finished


class Entries:
    """The queues of both lanes, by whether they are urgent."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        copy: LedgerCopy,
        book: AddressBook = address_book,
        journals: Journals = NONE_KEPT,
        precedence: Precedence | None = None,
    ) -> None:
        precedence = precedence or Precedence()
        self._now = now
        self._copy = copy
        self.journals = journals
        self._book = book
        self._queues: dict[bool, Gather[Entry, Any]] = {
            True: Gather(database, self._write, limit=_AT_ONCE, weigh=_weight, turn=precedence.first),
            False: Gather(database, self._write, limit=_AT_ONCE, weigh=_weight, turn=precedence.after),
        }

    async def open(self, opening: Opening, *, urgent: bool) -> Opened:
        """What is still to be claimed of the batch, or why nothing may be."""
        opened: Opened = await self._queues[urgent].add(opening)
        return opened

    async def claim(self, ask: Ask, *, urgent: bool) -> Answer:
        """The claim, once it is durable; or what is there instead."""
        answer: Answer = await self._queues[urgent].add(ask)
        return answer

    def record(self, finished: Finished, *, urgent: bool) -> asyncio.Future[Turned | None]:
        """Done once the record is durable, and says so if the lease had gone.  It stands in the queue when this returns."""
        return self._queues[urgent].put(finished)

    def _write(self, connection: Connection, entries: Sequence[Entry]) -> list[Any]:
        return write_entries(connection, entries, self._now(), book=self._book, copy=self._copy, journals=self.journals)


def _weight(entry: Entry) -> int:
    match entry:
        case Ask():
            return max(_LEAST, len(entry.members))
        case Finished():
            return max(_LEAST, len(entry.record.fates))
        case _:
            return _LEAST


def write_entries(
    connection: Connection,
    entries: Sequence[Entry],
    now: datetime,
    *,
    book: AddressBook = address_book,
    copy: LedgerCopy | None = None,
    journals: Journals = NONE_KEPT,
) -> list[Any]:
    """Write these, in the caller's transaction; in each one's place what `Entries` answers."""
    orphaned = Orphaned()
    openings = [entry for entry in entries if isinstance(entry, Opening)]
    asks = [entry for entry in entries if isinstance(entry, Ask)]
    finished = [entry for entry in entries if isinstance(entry, Finished)]
    # Asked once for all, in this transaction: they stay so until it commits.
    held = leases.held(connection, {entry.lease for entry in entries})
    opened = open_batches(connection, openings, orphaned, held, journals)
    answers = claim_ranges(connection, asks, orphaned, held, journals, now, book)
    if copy is not None:
        # In this transaction, so that no byte leaves of which only the ledger knows.
        copy.append(_copied(asks, answers))
    recorded = record_ranges(connection, finished, orphaned, held, now)
    results = {Opening: iter(opened), Ask: iter(answers), Finished: iter(recorded)}
    return [next(results[type(entry)]) for entry in entries]


def _copied(asks: Sequence[Ask], answers: Sequence[Answer]) -> Iterator[ledger_copy.Claimed]:
    """What the ledger copy must know before these claims commit."""
    for ask, answer in zip(asks, answers, strict=True):
        if isinstance(answer, Claimed):
            span, batch = answer.range, ask.batch
            yield ledger_copy.Claimed(span.batch_id, span.first, span.last, batch.appeal_id or "", batch.wave)
