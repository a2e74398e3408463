"""A lane: takes commands to send, and for each range of members claims, sends and records, in that order.

Many batches are under way at once.  The window of the channel bounds how many members a crash can leave uncertain.  Where
the progress of a range is kept in a journal, those are the ones who have been written to and not answered, and ranges are
long and claimed ahead of their turn; else they are all who are claimed and not recorded, and a range is no longer than the
window.  Places change hands as soon as the record stands in the lane's queue of entries (see `agents.dispatch.entries`).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakValueDictionary

from prometheus_client import Counter

from agents.dispatch.batch import Batch, batch_of
from agents.dispatch.claims import Ask, Begun, Claimed, Group, Opening
from agents.dispatch.entries import Entries
from agents.dispatch.gate import Gate
from agents.dispatch.leases import Leases
from agents.dispatch.records import Finished, Turned, all_alike, record_of
from agents.dispatch.rooms import Places, Rooms
from agents.dispatch.selected import Selected
from agents.patience import patient, persist
from notifiers.ports import Letter, Notifier, Outcomes, Placed, State
from registry import ledger
from registry.database import Database
from registry.journal import Journal
from registry.leases import Lease
from registry.ledger import Fate, Range, Record
from schemas.dispatch import AnswerReply, RepeatBatch, SendBatch, TellMembers
from schemas.words import Channel, Language
from streams.errors import Busy
from streams.inbox import Delivery

MEMBERS = Counter("muster_dispatch_members_total", "Members that dispatch is done with", ["lane", "fate"])
_FINISH_SECONDS = 5.0  # what is claimed and not recorded by then becomes uncertain
_TRIES = 5  # of a range whose lease ends again and again while it is being sent
Letters = list[tuple[Language, Group]]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What both lanes share."""

    database: Database
    notifiers: Mapping[Channel, Notifier]
    gate: Gate
    leases: Leases
    selected: Selected
    new_token: Callable[[], str]
    entries: Entries


@dataclass(slots=True)
class Run:
    """A batch being sent: who is meant, where its last gap ends (with the range that ends there it is done), and its records,
    which stand in the queue or have committed.
    """  # noqa: D205

    batch: Batch
    members: Sequence[int]
    end: int
    records: list[asyncio.Future[Turned | None]] = field(default_factory=list)

    def finished(self, record: Record, lease: Lease, token: str, refused: Sequence[tuple[int, int]] = ()) -> Finished:
        first, last, size = record.range.first, record.range.last, len(self.members)
        return Finished(
            self.batch,
            record,
            lease,
            token,
            size,
            final=last == self.end,
            refused_for_good=tuple(refused),
            whole=first == 0 and last == size,
        )


class Lane:
    """The reaction to one dispatch topic."""

    def __init__(self, name: str, shared: Dispatch, *, urgent: bool) -> None:
        self._name = name
        self._urgent = urgent
        self._shared = shared
        self._mine: set[str] = set()
        self._all_recorded = asyncio.Event()
        self._all_recorded.set()
        self._rooms = Rooms(shared.entries.journals, shared.new_token, urgent=urgent)
        self._runs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, SendBatch | RepeatBatch | TellMembers | AnswerReply):
            await self.send(delivery.message, f"{delivery.topic}/{delivery.partition}")

    @patient
    async def send(self, command: SendBatch | RepeatBatch | TellMembers | AnswerReply, lease: str) -> None:
        """Send what is still to be sent of this, under the lease of this name; its record is durable on return.

        Raises `Busy` when it could not be done to the end, here or now.
        """
        await self._shared.gate.heard_all.wait()
        batch = batch_of(command, lease)
        # After a rebalance the same batch may come again while it is still being sent: one after the other.
        async with self._runs.setdefault(batch.id, asyncio.Lock()):
            with self._shared.leases.used(batch.lease):
                await self._send_batch(batch)

    def keep(self, leases: Collection[str]) -> None:
        """These are the partitions of this worker now.  A batch of another that still waits for room takes up one of the few
        places for batches, which whoever comes with a dead worker's partition needs.
        """  # noqa: D205
        self._rooms.keep(leases)

    async def finish(self) -> None:
        """Return when all that is claimed is recorded, at the latest after some seconds.  The gate is closed before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._all_recorded.wait()

    async def _send_batch(self, batch: Batch) -> None:
        members = await self._shared.selected.members(batch)
        run = Run(batch, members, len(members))
        gaps = await self._send_first(run)
        for first, last in gaps:
            run.end = gaps[-1][1]
            await self._send_gap(run, Range(batch.id, first, last))
        # Whoever gives up before this need not wait either: a second run opens the batch behind the records of the first.
        if Turned.LEASE_LOST in await asyncio.gather(*run.records):
            raise Busy(f"{batch.lease}: {Turned.LEASE_LOST.value}")

    async def _send_first(self, run: Run) -> list[tuple[int, int]]:
        """Send what there is room for of a batch that nobody has begun; what is still to be sent of it then.

        Of a batch that somebody has begun it is said at once, and not when there is room, who of it is in doubt.
        """
        batch, size = run.batch, len(run.members)
        await self._until_running(batch)
        lease = await self._shared.leases.hold(batch.lease)
        opening = Opening(batch, size, lease, frozenset(self._mine))
        if not size or self._stopped(batch) or (batch.mass and await self._is_begun(batch)):
            opened = await self._shared.entries.open(opening, urgent=self._urgent)
            if isinstance(opened, Turned):
                raise Busy(f"{batch.lease}: {opened.value}")
            return opened
        async with self._rooms.take(batch, self._notifier(batch), size) as places:
            paused = self._paused(batch)  # while it waited for room
            sent = False if paused else await self._send_range(run, 0, places, lease, opening)
        if paused:
            return await self._send_first(run)
        if isinstance(sent, Begun):
            return sent.gaps
        done = places.count if sent else 0
        return [(done, size)] if done < size else []

    async def _is_begun(self, batch: Batch) -> bool:
        return bool(await self._shared.database.read(partial(ledger.standing, batch_ids=[batch.id])))

    async def _send_gap(self, run: Run, gap: Range) -> None:
        batch, first = run.batch, gap.first
        while first < gap.last:
            await self._until_running(batch)
            lease = await self._shared.leases.hold(batch.lease)
            if batch.mass and self._stopped(batch):
                self._withdraw(run, Range(batch.id, first, gap.last), lease)
                return
            async with self._rooms.take(batch, self._notifier(batch), gap.last - first) as places:
                done = not self._paused(batch) and await self._send_range(run, first, places, lease)
            if done:
                first += places.count

    async def _until_running(self, batch: Batch) -> None:
        if batch.mass and batch.appeal_id:
            await self._shared.gate.until_running(batch.appeal_id)

    async def _send_range(
        self, run: Run, first: int, places: Places, lease: Lease, opening: Opening | None = None
    ) -> bool | Begun:
        """Claim, send, and put the record into the queue.  False when nothing was done and the same positions are still to be
        claimed.
        """  # noqa: D205
        if self._shared.gate.closed:
            raise Busy("this worker ends")
        batch, token = run.batch, places.token
        span = Range(batch.id, first, first + places.count)
        self._mine.add(token)
        self._all_recorded.clear()
        places.claimed = True
        try:
            members = run.members[span.first : span.last]
            ask = Ask(batch, span, members, lease, token, opening)
            claimed = await self._shared.entries.claim(ask, urgent=self._urgent)
            places.claimed = isinstance(claimed, Claimed)
            if claimed is Turned.LEASE_LOST or claimed is Turned.TAKEN:
                raise Busy(f"{batch.lease}: {claimed.value}")
            if isinstance(claimed, Begun):
                return claimed
            if isinstance(claimed, Turned):
                self._withdraw(run, span, lease)
                return True
            refused = await self._send_claimed(batch, claimed, lease, places.journal)
            if refused is None:
                places.claimed = False
                return False
            record = record_of(batch, span, bytes(claimed.fates), claimed.gateway_ids)
            places.recorded = self._record(run, record, lease, token, refused)
            return True
        finally:
            if places.recorded is None:
                self._forget(token)
            else:
                places.recorded.add_done_callback(lambda _: self._forget(token))

    def _forget(self, token: str) -> None:
        """The claim with this token has its record, or was never made."""
        self._mine.discard(token)
        if not self._mine:
            self._all_recorded.set()

    async def _send_claimed(
        self, batch: Batch, claimed: Claimed, lease: Lease, journal: Journal | None
    ) -> list[tuple[int, int]] | None:
        """Send what was claimed; the numbers that were refused, or none at all when the claim was taken back.

        What is held back because the lease ended goes on under the next one if that is ours again, so that nobody came
        in between; else, and after a stop, it is withdrawn.
        """
        refused: list[tuple[int, int]] = []
        letters: Letters = list(claimed.groups.items())
        for attempt in range(_TRIES):
            letters = await self._hand_over(batch, claimed, letters, refused, journal)
            if not letters or self._stopped(batch):
                break
            if not attempt and _is_all(letters, claimed.groups) and await self._take_back(claimed):
                return None
            again = await self._hold_again(batch)
            if again is None or again.epoch != lease.epoch:
                break
        for _, held in letters:
            for position in held.positions:
                claimed.fates[position] = Fate.WITHDRAWN
        return refused

    async def _hold_again(self, batch: Batch) -> Lease | None:
        """The lease of what is claimed already; none when somebody else has it.

        A database that is away is waited for: to give up would make uncertain what is known.
        """
        try:
            return await persist(lambda: self._shared.leases.hold(batch.lease), "a lease")
        except Busy:
            return None

    async def _take_back(self, claimed: Claimed) -> bool:
        """No byte has left: the claim is taken back, for whoever holds the lease next."""
        return await self._shared.database.write(partial(ledger.unclaim, span=claimed.range, token=claimed.token))

    async def _hand_over(
        self,
        batch: Batch,
        claimed: Claimed,
        letters: Letters,
        refused: list[tuple[int, int]],
        journal: Journal | None,
    ) -> Letters:
        """Send one letter per language and note what became of it; returns who was held back."""
        letters = [(language, self._listening(batch, claimed, group)) for language, group in letters]
        results = await asyncio.gather(*(self._send_letter(batch, *letter, journal) for letter in letters))
        held: Letters = []
        for (language, group), outcomes in zip(letters, results, strict=True):
            refused += _note(claimed, group, outcomes)
            if State.HELD in outcomes.states:
                held.append((language, group.only([state == State.HELD for state in outcomes.states])))
        return held

    def _listening(self, batch: Batch, claimed: Claimed, group: Group) -> Group:
        """Without those who have asked to hear no more since the claim was read."""
        silent = self._silent(batch, group.members)
        if not silent:
            return group
        for position, member_id in zip(group.positions, group.members, strict=True):
            if member_id in silent:
                claimed.fates[position] = Fate.OPTED_OUT
        return group.only([member_id not in silent for member_id in group.members])

    async def _send_letter(self, batch: Batch, language: Language, group: Group, journal: Journal | None) -> Outcomes:
        texts = batch.draft.texts
        letter = Letter(
            text=texts[language] if language in texts else next(iter(texts.values())),
            reference=batch.reference,
            slot=batch.draft.slot,
            not_after=batch.draft.not_after,
            purpose=batch.purpose,
        )
        return await self._notifier(batch).send(
            letter,
            group.addresses,
            partial(self._may_send, batch),
            urgent=self._urgent,
            members=group.members,
            silent=partial(self._silent, batch),
            progress=None if journal is None else Placed(journal, group.positions),
        )

    def _notifier(self, batch: Batch) -> Notifier:
        channel = batch.draft.channel
        if channel not in self._shared.notifiers:
            raise Busy(f"{channel} is not set up in this worker: see docs/cli.md, Settings, and start it again")
        return self._shared.notifiers[channel]

    def _silent(self, batch: Batch, members: Sequence[int]) -> set[int]:
        return self._shared.gate.silent(members, batch.purpose, batch.draft.channel)

    def _may_send(self, batch: Batch) -> bool:
        return self._shared.leases.valid(batch.lease) and not self._stopped(batch)

    def _paused(self, batch: Batch) -> bool:
        return batch.mass and self._shared.gate.paused(batch.appeal_id or "")

    def _stopped(self, batch: Batch) -> bool:
        return batch.mass and self._shared.gate.stopped(batch.appeal_id or "")

    def _withdraw(self, run: Run, span: Range, lease: Lease) -> None:
        """These were never claimed and never will be."""
        self._record(run, all_alike(run.batch, span, Fate.WITHDRAWN), lease, "")

    def _record(
        self, run: Run, record: Record, lease: Lease, token: str, refused: Sequence[tuple[int, int]] = ()
    ) -> asyncio.Future[Turned | None]:
        """Once a message has left, its record is written however long the database takes to come back."""
        recorded = self._shared.entries.record(run.finished(record, lease, token, refused), urgent=self._urgent)
        run.records.append(recorded)
        for fate in Fate:
            if count := record.fates.count(fate):
                MEMBERS.labels(lane=self._name, fate=fate.name.lower()).inc(count)
        return recorded


def _is_all(letters: Letters, groups: Mapping[Language, Group]) -> bool:
    return sum(len(held.members) for _, held in letters) == sum(len(group.members) for group in groups.values())


def _note(claimed: Claimed, group: Group, outcomes: Outcomes) -> list[tuple[int, int]]:
    """Write fates and ids beside their positions; (member, status) of those whose address itself was refused."""
    if group.positions == range(len(claimed.fates)):
        claimed.fates[:] = outcomes.states  # states and fates are the same numbers
        claimed.gateway_ids[:] = outcomes.gateway_ids
    else:
        for position, state, gateway_id in zip(group.positions, outcomes.states, outcomes.gateway_ids, strict=True):
            claimed.fates[position] = state
            claimed.gateway_ids[position] = gateway_id
    return [
        (group.members[place], outcome.status)
        for place, outcome in outcomes.refused.items()
        if group.members[place] and outcome.bad_address
    ]
