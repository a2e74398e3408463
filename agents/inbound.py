"""The inbound doors: what a gateway or a link brings is committed before anybody is told that it arrived."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from prometheus_client import Counter
from sqlalchemy import Connection

from agents import doors
from agents.dispatch.batch import NO_APPEAL
from agents.gather import Gather
from agents.patience import persist
from agents.routes import post
from notifiers.ports import Incoming, Receipt, Receipts
from registry import addresses, outbox, receipts, replies
from registry.database import Database
from registry.errors import NotFound
from registry.receipts import RawReceipts
from schemas.replies import ReplyReceived
from schemas.words import Channel, Purpose

SOURCE = "/muster/inbound"
RECEIVED = Counter("muster_inbound_replies_total", "Messages from members", ["channel", "outcome"])
RECEIPTS = Counter("muster_inbound_receipts_total", "Delivery receipts that were stored")


class Inbound:
    """`on_incoming` and `on_receipt` of one channel.  Both return after the commit."""

    def __init__(
        self,
        database: Database,
        channel: Channel,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._sleep = sleep
        self._channel = channel
        self._now = now
        self._new_id = new_id
        self._receipts: Gather[list[RawReceipts], None] = Gather(database, self._store)

    async def on_incoming(self, incoming: Incoming) -> None:
        work = partial(
            receive, incoming=incoming, channel=self._channel, reply_id=f"m-{self._new_id()}", now=self._now()
        )
        # Told to push again, a gateway does so after a minute.  Whoever calls us gives up in its own time; a commit that
        # got no answer is found by the words that came again.
        fresh = await persist(lambda: self._database.write(work), "a member's words", sleep=self._sleep)
        RECEIVED.labels(channel=self._channel.value, outcome="stored" if fresh else "repeated").inc()

    async def on_receipt(self, receipt: Receipt) -> None:
        await self.on_receipts([Receipts(receipt, [receipt.gateway_id], [receipt.address])])

    async def on_receipts(self, receipts: Sequence[Receipts]) -> None:
        """Store those that say what became of a message in the end."""
        final = [
            RawReceipts(group.said.state, group.said.error, group.said.reference, group.gateway_ids, group.addresses)
            for group in receipts
            if group.said.final
        ]
        if final:
            await self._receipts.add(final)
            RECEIPTS.inc(sum(len(group.gateway_ids) for group in final))

    def _store(self, connection: Connection, bundles: Sequence[list[RawReceipts]]) -> list[None]:
        receipts.store(connection, bundles, self._now())
        return [None] * len(bundles)


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


def receive(connection: Connection, incoming: Incoming, channel: Channel, reply_id: str, now: datetime) -> bool:
    """Store a message and tell the log; False when the gateway had pushed the same one before."""
    words = incoming.text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps no NUL
    sent_to = incoming.key or ("" if incoming.slot is None else str(incoming.slot))
    if replies.already_received(
        connection, channel=channel, address=incoming.address, sent_to=sent_to, words=words, now=now
    ):
        return False
    owners = addresses.owners(connection, channel, incoming.address)
    member_id = owners[0] if len(owners) == 1 else None
    replies.store(
        connection,
        reply_id=reply_id,
        received_at=now,
        channel=channel,
        address=incoming.address,
        sent_to=sent_to,
        member_id=member_id,
        appeal_id=None,
        words=words,
    )
    appeal_id = None if incoming.key == NO_APPEAL else incoming.key
    received = ReplyReceived(
        reply_id=reply_id, channel=channel, member_id=member_id, slot=incoming.slot, appeal_id=appeal_id
    )
    outbox.put(connection, [post(received, event_id=reply_id, source=SOURCE, time=now)])
    return True
