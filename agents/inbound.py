"""The inbound doors: what a gateway or a link brings is committed before anybody is told that it arrived."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import compress

from prometheus_client import Counter
from sqlalchemy import Connection

from agents import doors
from agents.dispatch.batch import NO_APPEAL
from agents.gather import Gather
from agents.routes import post
from notifiers.ports import Incoming, Receipt, Receipts
from registry import addresses, outbox, receipts, replies
from registry.database import Database
from registry.errors import NotFound
from registry.receipts import RawReceipts
from registry.replies import Push, Received
from schemas.outgoing import Outgoing
from schemas.replies import ReplyReceived
from schemas.words import Channel, Purpose

SOURCE = "/muster/inbound"
_AT_ONCE = 64  # messages that share a commit
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
        self._channel = channel
        self._now = now
        self._new_id = new_id
        self._words: Gather[tuple[str, Incoming], bool] = Gather(database, self._receive, limit=_AT_ONCE, sleep=sleep)
        self._receipts: Gather[list[RawReceipts], None] = Gather(database, self._store)

    async def on_incoming(self, incoming: Incoming) -> None:
        # Told to push again, a gateway does so after a minute.  Whoever calls us gives up in its own time; a commit that
        # got no answer is found by the words that came again.
        fresh = await self._words.add((f"m-{self._new_id()}", incoming))
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

    def _receive(self, connection: Connection, messages: Sequence[tuple[str, Incoming]]) -> list[bool]:
        return receive(connection, messages, self._channel, self._now())

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


def receive(
    connection: Connection, messages: Sequence[tuple[str, Incoming]], channel: Channel, now: datetime
) -> list[bool]:
    """Store messages, each with the id it gets, and tell the log; False for what the gateway had pushed before."""
    pushes = [_push(incoming) for _, incoming in messages]
    fresh = [not before for before in replies.pushed_before(connection, channel, pushes, now)]
    owners = addresses.owners_of(connection, channel, [push.address for push in compress(pushes, fresh)])
    stored: list[Received] = []
    told: list[Outgoing] = []
    for (reply_id, incoming), push in compress(zip(messages, pushes, strict=True), fresh):
        theirs = owners[push.address]
        member_id = theirs[0] if len(theirs) == 1 else None
        appeal_id = None if incoming.key == NO_APPEAL else incoming.key
        stored.append(Received(reply_id, now, channel, push.address, push.sent_to, member_id, None, push.words))
        received = ReplyReceived(
            reply_id=reply_id, channel=channel, member_id=member_id, slot=incoming.slot, appeal_id=appeal_id
        )
        told.append(post(received, event_id=reply_id, source=SOURCE, time=now))
    replies.store(connection, stored)
    outbox.put(connection, told)
    return fresh


def _push(incoming: Incoming) -> Push:
    words = incoming.text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps no NUL
    sent_to = incoming.key or ("" if incoming.slot is None else str(incoming.slot))
    return Push(incoming.address, sent_to, words)
