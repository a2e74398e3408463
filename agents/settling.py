"""Settles who is uncertain by receipts whose gateway id nobody knows: the answer that named it never came.

Such a receipt still says to which number a message went and under which reference (kind, appeal, wave), and within a wave
a number gets one message.  A repeat carries the reference of its wave, so whoever was asked again and is uncertain again
is settled in the same way.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

from prometheus_client import Counter as Count
from sqlalchemy import Connection

from agents.routes import post
from decisions.settling import DELIVERED, FAILED, WaveName, state_of, wave_of
from registry import outbox, receipts, uncertain
from registry.database import Database
from registry.ledger import Fate
from registry.receipts import RawReceipt
from registry.uncertain import Doubtful
from schemas.appeals import SettledBatch, UncertainSettled

SOURCE = "/muster/settling"
SETTLED = Count("muster_uncertain_settled_total", "Members who were uncertain until a receipt came", ["outcome"])
_LOOKED_BACK = timedelta(hours=72)  # as long as receipts are waited for
_OUTCOMES = {DELIVERED: "delivered", FAILED: "failed"}

News = tuple[Doubtful, Mapping[int, int]]  # a batch, and by position the states that came now


class Settle:
    """Shown the receipts that wait for their message, it answers with those that wait no more.

    Looks at most once in `every`: most receipts that wait have just overtaken the record of their message.
    """

    def __init__(
        self, database: Database, *, now: Callable[[], datetime], clock: Callable[[], float], every: float = 1.0
    ) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._every = every
        self._next = 0.0

    async def __call__(self, waiting: Iterable[RawReceipt]) -> set[RawReceipt]:
        """Raises `DatabaseUnreachable`; then nothing is settled."""
        if self._clock() < self._next:
            return set()
        self._next = self._clock() + self._every
        now = self._now()
        in_doubt = await self._database.read(partial(uncertain.waves, since=now - _LOOKED_BACK))
        worth = [receipt for receipt in waiting if wave_of(receipt.reference) in in_doubt] if in_doubt else []
        if not worth:
            return set()
        settled, outcomes = await self._database.write(partial(settle, unmatched=worth, now=now))
        for state, members in outcomes.items():
            SETTLED.labels(outcome=_OUTCOMES[state]).inc(members)
        return settled


def settle(
    connection: Connection, unmatched: Collection[RawReceipt], now: datetime
) -> tuple[set[RawReceipt], Counter[int]]:
    """Write down what these receipts say of members who are uncertain, and tell the decider.

    Answers with the receipts that had something to say, and with the members newly settled, by state.
    """
    by_wave: defaultdict[WaveName, list[RawReceipt]] = defaultdict(list)
    for receipt in unmatched:
        if (wave := wave_of(receipt.reference)) is not None:
            by_wave[wave].append(receipt)
    used: set[RawReceipt] = set()
    outcomes: Counter[int] = Counter()
    for wave, told in by_wave.items():
        news = _settle_wave(connection, wave, told, used)
        for _, settled in news:
            outcomes.update(settled.values())
        _report(connection, wave, news, now)
    return used, outcomes


def _settle_wave(
    connection: Connection, wave: WaveName, told: Sequence[RawReceipt], used: set[RawReceipt]
) -> list[News]:
    """Who is newly settled, by batch and position.  Adds the receipts that were about somebody to `used`."""
    found = {item.batch_id: item for item in uncertain.doubtful(connection, wave.appeal_id, wave=wave.wave)}
    if not found:
        return []
    places = _places(connection, wave.appeal_id, found.values())
    owners = uncertain.members_at(connection, [receipt.address for receipt in told])
    states: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for receipt in told:
        for member in owners.get(receipt.address, ()):
            if member in places:
                batch_id, position = places[member]
                states[batch_id][position] = state_of(receipt.state)
                used.add(receipt)
    _write(connection, [(found[batch_id], changed) for batch_id, changed in states.items()])
    return [
        (found[batch_id], {place: state for place, state in changed.items() if not found[batch_id].settled(place)})
        for batch_id, changed in states.items()
    ]


def _places(connection: Connection, appeal_id: str, found: Collection[Doubtful]) -> dict[int, tuple[str, int]]:
    """Where everybody is named to whom such a receipt may belong: not whose second message is known to have left."""
    members = uncertain.member_ids(connection, found, uncertain.batch_size(connection, appeal_id))
    return {
        members[item.batch_id][position]: (item.batch_id, position)
        for item in found
        for position in item.named
        if item.again.get(position) is not Fate.SENT
    }


def _write(connection: Connection, changes: Sequence[News]) -> None:
    rows = []
    for item, changed in changes:
        states = bytearray(item.states.ljust(max(changed) + 1, b"\0"))
        for position, state in changed.items():
            states[position] = state
        rows.append((item.batch_id, item.name.appeal_id, item.name.wave, bytes(states)))
    receipts.put_states(connection, rows)


def _report(connection: Connection, wave: WaveName, news: Sequence[News], now: datetime) -> None:
    batches = []
    for item, settled in news:
        if counts := Counter(settled.values()):
            batches.append(
                SettledBatch(
                    shard=item.name.shard,
                    batch=item.name.number,
                    delivered=counts[DELIVERED],
                    failed=counts[FAILED],
                )
            )
    if batches:
        told = sorted((item.batch_id, position) for item, settled in news for position in settled)
        digest = blake2b(repr(told).encode(), digest_size=12).hexdigest()
        report = UncertainSettled(appeal_id=wave.appeal_id, wave=wave.wave, batches=tuple(batches))
        event_id = f"{wave.appeal_id}/{wave.wave}/settled/{digest}"
        outbox.put(connection, [post(report, event_id=event_id, source=SOURCE, time=now)])
