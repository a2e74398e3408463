"""The inbound doors: what a gateway or a link brings is committed before anybody is told that it arrived."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection

from agents import doors
from agents.dispatch.batch import NO_APPEAL
from agents.gather import Gather
from agents.papers import Papers
from agents.replies import OnAnswer, Read, Unread, read_all
from agents.routes import post
from notifiers.ports import Bodies, Incoming, Receipt
from registry import addresses, outbox, receipts, replies
from registry.database import Database
from registry.errors import NotFound
from registry.receipts import RawReceipts
from registry.receipts import Unread as UnreadReceipts
from registry.replies import Push, Received
from schemas.dispatch import AnswerReply
from schemas.replies import ReplyReceived
from schemas.words import Channel, Purpose

LOG = structlog.get_logger("muster.inbound")
SOURCE = "/muster/inbound"
_AT_ONCE = 64  # messages that share a commit
RECEIVED = Counter("muster_inbound_replies_total", "Messages from members", ["channel", "outcome"])
RECEIPTS = Counter("muster_inbound_receipts_total", "Delivery receipts that were stored")


class Shortcut(Protocol):
    """A way to send an acknowledgement before the log brings the order."""

    @property
    def partition(self) -> int | None:
        """Where orders must go that are to be sent so; none while there is no such way."""

    def send(self, order: AnswerReply, partition: int) -> None:
        """Begin to send what has been committed to this partition."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came, the id it gets, and where its acknowledgement is to leave."""

    reply_id: str
    incoming: Incoming
    partition: int | None = None


class Inbound:
    """`on_incoming`, `on_receipt` and `on_receipts` of one channel.  All return after the commit.

    A reply is read in the transaction that stores it: whoever hears that it arrived may rely on its effect.
    """

    def __init__(
        self,
        database: Database,
        channel: Channel,
        *,
        shards: int,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        shortcut: Shortcut | None = None,
        on_answer: OnAnswer = lambda *_: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channel = channel
        self._shards = shards
        self._now = now
        self._new_id = new_id
        self._shortcut = shortcut
        self._on_answer = on_answer
        self._replies: Gather[Arrived, Read | None] = Gather(database, self._receive, limit=_AT_ONCE, sleep=sleep)
        self._unread: Gather[Arrived, bool] = Gather(database, self._keep, limit=_AT_ONCE, sleep=sleep)
        self._receipts: Gather[list[RawReceipts], None] = Gather(database, self._store)
        self._unread_receipts: Gather[Sequence[Bodies], None] = Gather(database, self._store_unread)

    async def on_incoming(self, incoming: Incoming) -> None:
        # Told to push again, a gateway does so after a minute.  Whoever calls us gives up in its own time; a commit that
        # got no answer is found by the words that came again.
        arrived = Arrived(f"m-{self._new_id()}", incoming, self._shortcut.partition if self._shortcut else None)
        try:
            read = await self._replies.add(arrived)
        except Exception:
            LOG.exception("a reply is stored unread, and read when the log brings it", reply=arrived.reply_id)
            fresh = await self._unread.add(arrived)
        else:
            fresh = read is not None
            if read is not None:
                self._go_ahead(read, arrived.partition)
        RECEIVED.labels(channel=self._channel.value, outcome="stored" if fresh else "repeated").inc()

    def _go_ahead(self, read: Read, partition: int | None) -> None:
        """What has committed need not wait for the log to bring it."""
        read.committed(self._channel, self._on_answer)
        if self._shortcut is not None and partition is not None and read.acknowledgement is not None:
            self._shortcut.send(read.acknowledgement, partition)

    async def on_receipt(self, receipt: Receipt) -> None:
        """Store it if it says what became of the message in the end."""
        if receipt.final:
            said = (receipt.state, receipt.error, receipt.reference)
            await self._receipts.add([RawReceipts(*said, [receipt.gateway_id], [receipt.address])])
            RECEIPTS.inc()

    async def on_receipts(self, bodies: Sequence[Bodies]) -> None:
        """Store these as they came: whoever joins them reads them, in a process that has the time."""
        await self._unread_receipts.add(bodies)
        RECEIPTS.inc(sum(some.count for some in bodies))

    def _receive(self, connection: Connection, arrived: Sequence[Arrived]) -> list[Read | None]:
        return receive(connection, arrived, self._channel, self._now(), shards=self._shards)

    def _keep(self, connection: Connection, arrived: Sequence[Arrived]) -> list[bool]:
        return keep(connection, arrived, self._channel, self._now())

    def _store(self, connection: Connection, bundles: Sequence[list[RawReceipts]]) -> list[None]:
        receipts.store(connection, bundles, self._now())
        return [None] * len(bundles)

    def _store_unread(self, connection: Connection, brought: Sequence[Sequence[Bodies]]) -> list[None]:
        unread = [UnreadReceipts(some.size, some.octets) for bodies in brought for some in bodies]
        receipts.store_unread(connection, unread, self._now())
        return [None] * len(brought)


class OptOutsByLink:
    """`notifiers.ports.OptOutDoor` for links and addresses that name a member."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._now = now
        self._new_id = new_id

    async def opt_out_member(self, member_id: int, purpose: Purpose | None, channel: Channel, source: str) -> None:
        """Who has been erased meanwhile hears no more anyway."""
        with suppress(NotFound):
            await self._database.write(
                partial(
                    doors.opt_out,
                    member_id=member_id,
                    purpose=purpose,
                    channel=channel,
                    source=source,
                    event_id=f"opt-out-{self._new_id()}",
                    now=self._now(),
                )
            )


def receive(
    connection: Connection, arrived: Sequence[Arrived], channel: Channel, now: datetime, *, shards: int
) -> list[Read | None]:
    """Store and read messages and do what follows; none for what the gateway had pushed before."""
    new = _new(connection, arrived, channel, now)
    papers = Papers(connection, shards, new=[item.stored for item in new if item])
    read = iter(read_all(papers, [Unread(item.received, item.partition) for item in new if item], now))
    return [next(read) if item else None for item in new]


def keep(connection: Connection, arrived: Sequence[Arrived], channel: Channel, now: datetime) -> list[bool]:
    """Store messages unread, for the log to bring them to whoever reads them; False for what had been pushed before."""
    new = _new(connection, arrived, channel, now)
    replies.store(connection, [item.stored for item in new if item])
    outbox.put(
        connection,
        [post(item.received, event_id=item.received.reply_id, source=SOURCE, time=now) for item in new if item],
    )
    return [item is not None for item in new]


@dataclass(frozen=True, slots=True)
class _New:
    """A message that has not come before: as it will be stored, and as it is read."""

    stored: Received
    received: ReplyReceived
    partition: int | None


def _new(connection: Connection, arrived: Sequence[Arrived], channel: Channel, now: datetime) -> list[_New | None]:
    """These messages, from here on in the turn of who sent them; none for what had been pushed before."""
    pushes = [_push(item.incoming) for item in arrived]
    senders = {push.address for push in pushes}
    owners = addresses.owners_of(connection, channel, sorted(senders))
    known = {address: theirs[0] for address, theirs in owners.items() if len(theirs) == 1}
    replies.wait_for_turn(connection, members=known.values(), channel=channel, addresses=senders)
    before = replies.pushed_before(connection, channel, pushes, now)
    new: list[_New | None] = []
    for item, push, is_old in zip(arrived, pushes, before, strict=True):
        if is_old:
            new.append(None)
            continue
        member_id, incoming = known.get(push.address), item.incoming
        received = ReplyReceived(
            reply_id=item.reply_id,
            channel=channel,
            member_id=member_id,
            slot=incoming.slot,
            appeal_id=None if incoming.key == NO_APPEAL else incoming.key,
        )
        stored = Received(item.reply_id, now, channel, push.address, push.sent_to, member_id, None, push.words)
        new.append(_New(stored, received, item.partition))
    return new


def _push(incoming: Incoming) -> Push:
    words = incoming.text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps no NUL
    sent_to = incoming.key or ("" if incoming.slot is None else str(incoming.slot))
    return Push(incoming.address, sent_to, words)
