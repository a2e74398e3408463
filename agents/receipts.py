"""Joins delivery receipts to the members they are about, in bulk, and reports them per batch.

One joiner works at a time.  What it knows of gateway ids comes from the records; a receipt that matches nothing yet (it
may overtake the record of its own message) stays where it is and is tried again when more records have come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection

from agents.relay import OneAtATime
from agents.routes import post
from registry import ledger, outbox, receipts
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.receipts import RawReceipt
from schemas.dispatch import DeliveredBatch, DeliveryReported

LOG = structlog.get_logger("muster.receipts")
SOURCE = "/muster/receipts"
JOINED = Counter("muster_receipts_joined_total", "Receipts joined to their members", ["outcome"])
_DELIVERED, _FAILED = 1, 2
_RECORDS_AT_ONCE = 500
_RECEIPTS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands in the ledger."""

    batch_id: str
    appeal_id: str
    wave: int
    position: int


class JoinReceipts:
    """Runs beside the agents until cancelled."""

    def __init__(
        self,
        database: Database,
        one_at_a_time: OneAtATime,
        *,
        now: Callable[[], datetime],
        every: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._one_at_a_time = one_at_a_time
        self._now = now
        self._every = every
        self._sleep = sleep
        self._places: dict[str, Place] = {}
        self._sizes: dict[str, int] = {}
        self._read_records = 0
        self._read_receipts = 0
        self._unmatched: list[RawReceipt] = []

    async def run(self) -> None:
        while True:
            with self._one_at_a_time() as mine:
                if mine:
                    await self._join_for_ever()
            await self._sleep(1.0)

    async def _join_for_ever(self) -> None:
        while True:
            try:
                worked = await self.join()
            except DatabaseUnreachable as exc:
                LOG.warning("receipts wait for the database", reason=str(exc))
                worked = False
            if not worked:
                await self._sleep(self._every)

    async def join(self) -> bool:
        """Join what can be joined now; whether there was anything new."""
        fresh = await self._database.read(partial(receipts.after, number=self._read_receipts, limit=_RECEIPTS_AT_ONCE))
        learned = await self._learn_places() if fresh or self._unmatched else False
        if not fresh and not learned:
            return False
        candidates = (*self._unmatched, *fresh)
        # The first of two receipts for one message joins it; the other waits, as for a message that is not known.
        first = {receipt.gateway_id: receipt for receipt in reversed(candidates) if receipt.gateway_id in self._places}
        matched = [(receipt, self._places[gateway_id]) for gateway_id, receipt in reversed(first.items())]
        if matched:
            await self._database.write(partial(self._write, matched=matched))
            JOINED.labels(outcome="matched").inc(len(matched))
        # Only what has been committed is forgotten: a database that was away finds everything as it was.
        self._unmatched = [receipt for receipt in candidates if first.get(receipt.gateway_id) is not receipt]
        for gateway_id in first:
            del self._places[gateway_id]
        if fresh:
            self._read_receipts = fresh[-1].number
        return True

    async def _learn_places(self) -> bool:
        """Read the records that were written since; whether there were any."""
        learned = False
        while rows := await self._database.read(
            partial(ledger.records_after, number=self._read_records, limit=_RECORDS_AT_ONCE)
        ):
            learned = True
            self._read_records = rows[-1][0]
            for _, record in rows:
                batch = record.range.batch_id
                self._sizes[batch] = max(self._sizes.get(batch, 0), record.range.last)
                for position, gateway_id in enumerate(record.gateway_ids, start=record.range.first):
                    if gateway_id:
                        self._places[gateway_id] = Place(batch, record.appeal_id, record.wave, position)
            if len(rows) < _RECORDS_AT_ONCE:
                break
        return learned

    def _write(self, connection: Connection, *, matched: list[tuple[RawReceipt, Place]]) -> None:
        states = {
            batch: bytearray(found)
            for batch, found in receipts.states(connection, {place.batch_id for _, place in matched}).items()
        }
        places: dict[str, Place] = {}
        counted: dict[str, list[int]] = {}
        for receipt, place in matched:
            places[place.batch_id] = place
            known = states.setdefault(place.batch_id, bytearray())
            known.extend(bytes(max(0, self._sizes[place.batch_id] - len(known))))
            state = _DELIVERED if receipt.state == "DELIVRD" else _FAILED
            if known[place.position] == 0:
                counted.setdefault(place.batch_id, [0, 0])[state - 1] += 1
            known[place.position] = state
        receipts.put_states(
            connection,
            [(batch, places[batch].appeal_id, places[batch].wave, bytes(states[batch])) for batch in places],
        )
        receipts.forget(connection, (receipt.number for receipt, _ in matched))
        self._report(connection, places.values(), counted, matched[-1][0].number)

    def _report(
        self, connection: Connection, places: Iterable[Place], counted: dict[str, list[int]], number: int
    ) -> None:
        waves: dict[tuple[str, int], list[DeliveredBatch]] = {}
        for place in places:
            if place.wave == 0 or place.batch_id not in counted:
                continue
            _, _, shard, batch = place.batch_id.rsplit("/", 3)
            delivered, failed = counted[place.batch_id]
            waves.setdefault((place.appeal_id, place.wave), []).append(
                DeliveredBatch(shard=int(shard), batch=int(batch), delivered=delivered, failed=failed)
            )
        outbox.put(
            connection,
            [
                post(
                    DeliveryReported(appeal_id=appeal_id, wave=wave, batches=tuple(batches)),
                    event_id=f"{appeal_id}/{wave}/delivered/{number}",
                    source=SOURCE,
                    time=self._now(),
                )
                for (appeal_id, wave), batches in waves.items()
            ],
        )
