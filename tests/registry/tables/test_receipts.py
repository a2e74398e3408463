"""Receipts are stored raw, read once in the order of arrival, and kept as one state per member."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from registry import receipts
from registry.database import Database
from registry.receipts import RawReceipt
from tests.registry.tables.waiting import wait_for_a_blocked_session

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)


def _receipt(number: int) -> RawReceipt:
    return RawReceipt(f"g-{number}", "DELIVRD", "000", "+8617912345678", "mass/a-1/1", NOW)


def _ids(found: list[RawReceipt]) -> list[str]:
    return [receipt.gateway_id for receipt in found]


def test_receipts_are_read_in_the_order_of_arrival(connection: Connection):
    receipts.store(connection, [_receipt(3), _receipt(1)])
    receipts.store(connection, [])
    receipts.store(connection, [_receipt(2)])
    first = receipts.after(connection, 0, 2)
    assert _ids(first) == ["g-3", "g-1"]
    assert _ids(receipts.after(connection, first[-1].number, 10)) == ["g-2"]


def test_a_receipt_is_kept_as_it_came(connection: Connection):
    receipts.store(connection, [_receipt(1)])
    (found,) = receipts.after(connection, 0, 10)
    assert found == RawReceipt("g-1", "DELIVRD", "000", "+8617912345678", "mass/a-1/1", NOW, found.number)


def test_what_is_joined_is_forgotten_and_its_number_never_used_again(connection: Connection):
    receipts.store(connection, [_receipt(1), _receipt(2)])
    numbers = [receipt.number for receipt in receipts.after(connection, 0, 10)]
    receipts.forget(connection, numbers)
    receipts.forget(connection, [])
    assert receipts.after(connection, 0, 10) == []
    receipts.store(connection, [_receipt(3)])
    assert _ids(receipts.after(connection, numbers[-1], 10)) == ["g-3"]


@pytest.mark.postgres
def test_a_smaller_number_never_appears_after_a_larger_one(postgres_database: Database):
    def store_second() -> None:
        with postgres_database.transaction() as connection:
            receipts.store(connection, [_receipt(2)])

    with ThreadPoolExecutor(1) as pool:
        with postgres_database.transaction() as first:
            receipts.store(first, [_receipt(1)])
            second = pool.submit(store_second)
            wait_for_a_blocked_session(postgres_database)
        second.result(10)
    with postgres_database.snapshot() as reader:
        assert _ids(receipts.after(reader, 0, 10)) == ["g-1", "g-2"]


def test_the_newest_states_of_a_batch_stand(connection: Connection):
    receipts.put_states(connection, [("b1", "a-1", 1, b"\x01\x00"), ("b2", "a-1", 1, b"\x00")])
    receipts.put_states(connection, [("b1", "a-1", 1, b"\x01\x02")])
    receipts.put_states(connection, [])
    assert receipts.states(connection, ["b1", "b2", "b3"]) == {"b1": b"\x01\x02", "b2": b"\x00"}
    assert receipts.states(connection, []) == {}
