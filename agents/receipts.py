"""Joins delivery receipts to the members they are about, in bulk, and reports them per batch.

One joiner works at a time.  What it knows of gateway ids comes from the records; a receipt that matches nothing yet (it
may overtake the record of its own message) stays where it is and is looked at again when that record has come.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter
from sqlalchemy import Connection

from agents.alone import Ensure, OneAtATime, alone
from agents.places import PlacedBatch, Places, batches_of
from agents.routes import post
from agents.settling import Settle
from notifiers.ports import Bodies, ReadReceipts
from registry import ledger, outbox, receipts
from registry.database import Database
from registry.ledger import Record
from registry.receipts import Bundle, RawReceipts
from schemas.dispatch import DeliveredBatch, DeliveryReported

LOG = structlog.get_logger("muster.receipts")
SOURCE = "/muster/receipts"
JOINED = Counter(
    "muster_receipts_joined_total",
    "Receipts joined to their members, and those that name no message or no state (`unreadable`)",
    ["outcome"],
)
_DELIVERED, _FAILED = 1, 2
_RECORDS_AT_ONCE = 64  # as many, and as many bundles, as hold up everybody else for a few milliseconds
_BUNDLES_AT_ONCE = 48
# Seconds in which more comes together: each time costs the others the same, however much there is to join.
_BETWEEN = 0.1
_KEPT = timedelta(hours=72)  # gateways try no longer to reach a handset, so no receipt comes later

Positions = NDArray[np.int64]
States = NDArray[np.uint8]
Told = list[tuple[int, list[int]]]  # what receipts said, and the places of those about whom they did


class JoinReceipts:
    """Runs beside the agents until cancelled."""

    def __init__(
        self,
        database: Database,
        one_at_a_time: OneAtATime,
        *,
        read: ReadReceipts,
        now: Callable[[], datetime],
        every: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._one_at_a_time = one_at_a_time
        self._read = read
        self._now = now
        self._every = every
        self._sleep = sleep
        self._settle = Settle(database, now=now, clock=time.monotonic)
        self._forget()

    def _forget(self) -> None:
        self._places = Places()
        self._turned_at = self._now()
        self._read_records = 0
        self._read_bundles = 0
        self._caught_up = False
        self._waiting: dict[int, Sequence[RawReceipts]] = {}  # by bundle: what matches nothing yet
        self._wanted: dict[str, int] = {}  # the bundle in which the receipt with this gateway id waits
        self._found: set[int] = set()  # bundles that wait for something that we know meanwhile

    async def run(self) -> None:
        await alone(self._one_at_a_time, self._join_for_ever, pause=1.0, sleep=self._sleep)

    async def _join_for_ever(self, ensure_alone: Ensure) -> None:
        """Raises `DatabaseUnreachable`."""
        self._forget()  # another joiner may have joined what waited here
        while True:
            await ensure_alone()
            looked_at = await self.join()
            await self._settle_uncertain()
            if looked_at < _BUNDLES_AT_ONCE:
                await self._sleep(_BETWEEN if looked_at else self._every)

    async def join(self) -> int:
        """Join what can be joined now; how many bundles there were to look at."""
        self._grow_old()
        since = self._now() - _KEPT
        after = partial(receipts.after, number=self._read_bundles, limit=_BUNDLES_AT_ONCE, since=since)
        fresh = {bundle.number: self._receipts(bundle) for bundle in await self._database.read(after)}
        if fresh or self._waiting:
            await self._learn(since)
        looked_at = fresh | {number: self._waiting[number] for number in self._found}
        if not looked_at:
            return 0
        told, joined, left = self._match(looked_at)
        changed = {number: rest for number, rest in left.items() if rest is not looked_at[number]}
        if changed:
            await self._database.write(partial(self._write, told=told, left=changed, step=_digest(joined)))
            JOINED.labels(outcome="matched").inc(sum(len(places) for _, places in told))
        # Only what has been committed is forgotten: a database that was away finds everything as it was.
        for group, (_, places) in zip(joined, told, strict=True):
            self._places.joined(group.gateway_ids, places)
            if self._wanted:
                for gateway_id in group.gateway_ids:
                    self._wanted.pop(gateway_id, None)
        self._keep_waiting(left)
        self._found.clear()
        self._read_bundles = max(self._read_bundles, *fresh, 0)
        return len(looked_at)

    def _receipts(self, bundle: Bundle) -> list[RawReceipts]:
        """Those of its receipts that say what became of a message in the end."""
        if bundle.unread is None:
            return bundle.receipts
        bodies = Bodies(*bundle.unread)
        groups = self._read([bodies])
        if unreadable := bodies.count - sum(len(group.gateway_ids) for group in groups):
            JOINED.labels(outcome="unreadable").inc(unreadable)
            LOG.warning("receipts name no message or no state", receipts=unreadable)
        return [
            RawReceipts(group.said.state, group.said.error, group.said.reference, group.gateway_ids, group.addresses)
            for group in groups
            if group.said.final
        ]

    async def _settle_uncertain(self) -> None:
        """What waits for a message whose answer never came, and is about somebody uncertain, waits no more."""
        if not self._waiting:
            return
        settled = await self._settle(
            one for bundle in self._waiting.values() for group in bundle for one in group.each()
        )
        if not settled:
            return
        left: dict[int, Sequence[RawReceipts]] = {}
        for number, bundle in self._waiting.items():
            rest = [group.only([one not in settled for one in group.each()]) for group in bundle]
            if [len(group.gateway_ids) for group in rest] != [len(group.gateway_ids) for group in bundle]:
                left[number] = [group for group in rest if group.gateway_ids]
        if left:
            await self._database.write(partial(receipts.keep_only, left=left))
            for receipt in settled:
                self._wanted.pop(receipt.gateway_id, None)
            self._keep_waiting(left)

    def _grow_old(self) -> None:
        now = self._now()
        if now - self._turned_at >= _KEPT / 2:
            self._turned_at = now
            self._places.turn_old()

    async def _learn(self, since: datetime) -> None:
        """Read the records that were written since the last time."""
        while True:
            number = self._read_records
            records = await self._database.read(
                partial(ledger.records_after, number=number, limit=_RECORDS_AT_ONCE, since=since)
            )
            settled: Mapping[str, bytes] = {}
            if records and not self._caught_up:
                # What was joined before we started waits for nothing any more.
                batches = {record.range.batch_id for _, record in records}
                settled = await self._database.read(partial(receipts.states, batch_ids=batches))
            for _, record in records:
                self._learn_record(record, settled)
            self._read_records = records[-1][0] if records else number
            if len(records) < _RECORDS_AT_ONCE:
                self._caught_up = True
                return

    def _learn_record(self, record: Record, settled: Mapping[str, bytes]) -> None:
        self._places.learn(record, settled.get(record.range.batch_id, b""))
        if self._wanted:
            self._found |= {self._wanted[known] for known in record.gateway_ids if known in self._wanted}

    def _match(
        self, bundles: Mapping[int, Sequence[RawReceipts]]
    ) -> tuple[Told, list[RawReceipts], dict[int, Sequence[RawReceipts]]]:
        """What has found its messages: as told, and as it came; and what of each bundle still waits, the bundle itself if all."""
        told: Told = []
        joined: list[RawReceipts] = []
        left: dict[int, Sequence[RawReceipts]] = {}
        for number, bundle in bundles.items():
            rest: list[RawReceipts] = []
            before = len(told)
            for group in bundle:
                state = _DELIVERED if group.state == "DELIVRD" else _FAILED
                places = self._places.find(group.gateway_ids)
                known = [place for place in places if place is not None]
                if not known:
                    rest.append(group)
                    continue
                if len(known) < len(places):
                    rest.append(group.only([place is None for place in places]))
                    group = group.only([place is not None for place in places])  # noqa: PLW2901 - the rest of it
                joined.append(group)
                told.append((state, known))
            left[number] = bundle if bundle and len(told) == before else rest
        return told, joined, left

    def _keep_waiting(self, left: Mapping[int, Sequence[RawReceipts]]) -> None:
        for number, rest in left.items():
            if rest:
                self._waiting[number] = rest
                self._wanted.update((gateway_id, number) for group in rest for gateway_id in group.gateway_ids)
            else:
                self._waiting.pop(number, None)

    def _write(
        self, connection: Connection, *, told: Told, left: Mapping[int, Sequence[RawReceipts]], step: str
    ) -> None:
        by_batch = self._by_batch(told) if told else {}
        known = receipts.states(connection, [batch.id for batch in by_batch])
        rows: list[tuple[str, str, int, bytes]] = []
        counted: list[tuple[PlacedBatch, int, int]] = []
        for batch, (positions, told_of_it) in by_batch.items():
            before = np.frombuffer(known.get(batch.id, b"").ljust(int(positions.max()) + 1, b"\0"), np.uint8)
            after = before.copy()
            after[positions] = told_of_it
            rows.append((batch.id, batch.appeal_id, batch.wave, after.tobytes()))
            news = after[before == 0].tobytes()
            if any(news) and batch.wave:
                counted.append((batch, news.count(_DELIVERED), news.count(_FAILED)))
        receipts.put_states(connection, rows)
        receipts.keep_only(connection, left)
        self._report(connection, counted, step)

    def _by_batch(self, told: Told) -> dict[PlacedBatch, tuple[Positions, States]]:
        """For each batch the positions about which something was said, and what, in the order in which it came."""
        places = np.concatenate([np.array(found, np.int64) for _, found in told])
        states = np.repeat(np.array([state for state, _ in told], np.uint8), [len(found) for _, found in told])
        numbers, positions = batches_of(places)
        order = np.argsort(numbers, kind="stable")
        cuts = np.flatnonzero(np.diff(numbers[order])) + 1
        return {
            self._places.batch(int(places[mine[0]])): (positions[mine], states[mine])
            for mine in np.split(order, cuts)
            if len(mine)
        }

    def _report(self, connection: Connection, counted: Iterable[tuple[PlacedBatch, int, int]], step: str) -> None:
        waves: defaultdict[tuple[str, int], list[DeliveredBatch]] = defaultdict(list)
        for batch, delivered, failed in counted:
            _, _, shard, number = batch.id.rsplit("/", 3)
            waves[batch.appeal_id, batch.wave].append(
                DeliveredBatch(shard=int(shard), batch=int(number), delivered=delivered, failed=failed)
            )
        outbox.put(
            connection,
            [
                post(
                    DeliveryReported(appeal_id=appeal_id, wave=wave, batches=tuple(batches)),
                    event_id=f"{appeal_id}/{wave}/delivered/{step}",
                    source=SOURCE,
                    time=self._now(),
                )
                for (appeal_id, wave), batches in waves.items()
            ],
        )


def _digest(joined: Iterable[RawReceipts]) -> str:
    """A name for this step: told again, it is the same event."""
    told = "\n".join(f"{group.state} {' '.join(group.gateway_ids)}" for group in joined)
    return blake2b(told.encode(), digest_size=12).hexdigest()
