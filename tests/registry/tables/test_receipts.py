"""Receipts are stored raw, read once in the order of arrival, and kept as one state per member."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from registry import receipts
from registry.database import Database
from registry.receipts import Bundle, RawReceipts
from tests.registry.tables.waiting import wait_for_a_blocked_session

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)


def _receipt(number: int) -> RawReceipts:
    return RawReceipts("DELIVRD", "000", "mass/a-1/1", [f"g-{number}"], ["+8617912345678"])


def _store(connection: Connection, *bundles: list[RawReceipts], at: datetime = NOW) -> None:
    receipts.store(connection, bundles, at)


def _ids(found: list[Bundle]) -> list[list[str]]:
    return [[one.gateway_id for group in bundle.receipts for one in group.each()] for bundle in found]


def test_receipts_are_read_in_the_order_of_arrival(connection: Connection):
    _store(connection, [_receipt(3), _receipt(1)], [_receipt(4)])
    _store(connection)
    _store(connection, [_receipt(2)])
    first = receipts.after(connection, 0, 2, NOW)
    assert _ids(first) == [["g-3", "g-1"], ["g-4"]]
    assert _ids(receipts.after(connection, first[-1].number, 10, NOW)) == [["g-2"]]


def test_a_receipt_is_kept_as_it_came(connection: Connection):
    odd = RawReceipts("DELIVRD", "成\n功", "mass/a-1/1", ["g\t1", "g2"], ["+8617912345678", ""])
    _store(connection, [odd])
    (found,) = receipts.after(connection, 0, 10, NOW)
    assert found.receipts == [odd]


def test_receipts_of_long_ago_are_not_read(connection: Connection):
    _store(connection, [_receipt(1)], at=NOW - timedelta(hours=73))
    _store(connection, [_receipt(2)])
    assert _ids(receipts.after(connection, 0, 10, NOW - timedelta(hours=72))) == [["g-2"]]


def test_what_is_joined_is_forgotten_and_its_number_never_used_again(connection: Connection):
    _store(connection, [_receipt(1), _receipt(2)], [_receipt(3)])
    one, other = (bundle.number for bundle in receipts.after(connection, 0, 10, NOW))
    receipts.keep_only(connection, {one: [_receipt(2)], other: []})
    receipts.keep_only(connection, {})
    assert _ids(receipts.after(connection, 0, 10, NOW)) == [["g-2"]]
    _store(connection, [_receipt(4)])
    assert _ids(receipts.after(connection, other, 10, NOW)) == [["g-4"]]


@pytest.mark.postgres
def test_a_smaller_number_never_appears_after_a_larger_one(postgres_database: Database):
    def store_second() -> None:
        with postgres_database.transaction() as connection:
            _store(connection, [_receipt(2)])

    with ThreadPoolExecutor(1) as pool:
        with postgres_database.transaction() as first:
            _store(first, [_receipt(1)])
            second = pool.submit(store_second)
            wait_for_a_blocked_session(postgres_database)
        second.result(10)
    with postgres_database.snapshot() as reader:
        assert _ids(receipts.after(reader, 0, 10, NOW)) == [["g-1"], ["g-2"]]


def test_the_newest_states_of_a_batch_stand(connection: Connection):
    receipts.put_states(connection, [("b1", "a-1", 1, b"\x01\x00"), ("b2", "a-1", 1, b"\x00")])
    receipts.put_states(connection, [("b1", "a-1", 1, b"\x01\x02")])
    receipts.put_states(connection, [])
    assert receipts.states(connection, ["b1", "b2", "b3"]) == {"b1": b"\x01\x02", "b2": b"\x00"}
    assert receipts.states(connection, []) == {}
