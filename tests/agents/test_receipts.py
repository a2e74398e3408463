"""Receipts are stored as they came; whoever joins them reads them, and each is joined to its message once."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from agents.inbound import Inbound
from agents.receipts import JOINED, JoinReceipts
from notifiers.ports import Bodies, Receipt
from notifiers.smpp.codec import Address, ShortMessage
from notifiers.smpp.receipt_tables import ReceiptReader
from notifiers.smpp.settings import SMSSettings
from registry import ledger, receipts
from registry.database import Database
from registry.ledger import Fate, Range, Record
from schemas.words import Channel

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"
BATCH = f"{APPEAL}/1/0/0"
SETTINGS = SMSSettings()


def _body(gateway_id: str, state: str = "DELIVRD") -> bytes:
    return ShortMessage(
        source=Address(b"8617900000001"),
        destination=Address(b"1069000007"),
        octets=f"id:{gateway_id} sub:001 stat:{state} err:000 text:".encode(),
        esm_class=0x04,
        tlvs=((0x1500, f"mass/{APPEAL}/1".encode()),),
    ).encode()


def _bodies(*bodies: bytes) -> Bodies:
    """Of one size."""
    return Bodies(len(bodies[0]), b"".join(bodies))


@asynccontextmanager
async def _always() -> AsyncIterator[Callable[[], object]]:
    yield lambda: None


def _joiner(database: Database) -> JoinReceipts:
    return JoinReceipts(database, _always, read=ReceiptReader(SETTINGS).read, now=lambda: NOW)


def _inbound(database: Database) -> Inbound:
    return Inbound(database, Channel.SMS, shards=1, now=lambda: NOW, new_id=lambda: "1")


async def _sent(database: Database, first: int, *gateway_ids: str) -> None:
    """The record of messages from this position on."""
    span = Range(BATCH, first, first + len(gateway_ids))
    record = Record(span, APPEAL, 1, bytes([Fate.SENT] * len(gateway_ids)), gateway_ids)
    await database.write(partial(ledger.record, records=[record], at=NOW))


async def _states(database: Database) -> bytes:
    return (await database.read(partial(receipts.states, batch_ids=[BATCH]))).get(BATCH, b"")


async def _stored(database: Database) -> list[receipts.Bundle]:
    read = partial(receipts.after, number=0, limit=100, since=NOW - timedelta(days=1))
    return await database.read(read)


def _ids(bundles: Sequence[receipts.Bundle]) -> list[list[str]]:
    return [[one.gateway_id for group in bundle.receipts for one in group.each()] for bundle in bundles]


async def test_what_the_gateway_said_is_stored_word_for_word_and_joined_later(database: Database):
    came = _bodies(*(_body(f"g{at}", "DELIVRD" if at % 3 else "UNDELIV") for at in range(9)))
    await _inbound(database).on_receipts([came])
    (bundle,) = await _stored(database)
    assert bundle.unread == receipts.Unread(came.size, came.octets)
    await _sent(database, 0, *(f"g{at}" for at in range(9)))
    assert await _joiner(database).join()
    assert await _states(database) == bytes([2, 1, 1] * 3)
    assert await _stored(database) == []


async def test_a_receipt_waits_for_the_record_of_its_message_whoever_joins_then(database: Database):
    await _inbound(database).on_receipts([_bodies(*(_body(f"g{at}") for at in range(6)))])
    first = _joiner(database)
    await first.join()
    assert (await _stored(database))[0].unread is not None, "written again though nothing has changed"
    await _sent(database, 0, "g0", "g1", "g2")
    await first.join()
    assert await _states(database) == b"\1\1\1"
    assert _ids(await _stored(database)) == [["g3", "g4", "g5"]]
    await _sent(database, 3, "g3", "g4", "g5")
    await _joiner(database).join()
    assert await _states(database) == b"\1" * 6
    assert await _stored(database) == []


async def test_what_names_no_message_is_counted_and_goes_and_the_others_are_joined(database: Database):
    before = JOINED.labels(outcome="unreadable")._value.get()
    inbound = _inbound(database)
    await inbound.on_receipts([_bodies(_body("g0"), _body("g1").replace(b"id:g1", b"no:g1"))])
    await inbound.on_receipts([Bodies.of(b"nonsense")])
    await _sent(database, 0, "g0")
    await _joiner(database).join()
    assert await _states(database) == b"\1"
    assert await _stored(database) == []
    assert JOINED.labels(outcome="unreadable")._value.get() == before + 2


@pytest.mark.parametrize("state", ["ENROUTE", "ACCEPTD"])
async def test_what_is_not_the_end_of_it_is_joined_to_nobody(database: Database, state: str):
    inbound = _inbound(database)
    await inbound.on_receipts([Bodies.of(_body("g0", state))])
    await inbound.on_receipt(Receipt("g0", state, final=False, error="", address="", reference="", done_at=None))
    await _sent(database, 0, "g0")
    await _joiner(database).join()
    assert await _states(database) == b""
    assert await _stored(database) == []


async def test_one_that_was_read_before_it_was_stored_is_joined_like_the_others(database: Database):
    receipt = Receipt("g0", "DELIVRD", final=True, error="", address="+8617900000001", reference="", done_at=None)
    await _inbound(database).on_receipt(receipt)
    await _sent(database, 0, "g0")
    await _joiner(database).join()
    assert await _states(database) == b"\1"
    assert await _stored(database) == []
