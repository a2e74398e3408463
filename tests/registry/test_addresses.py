"""Who may be written to and where, in the order of asking, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, update

from registry import addresses
from registry.addresses import LANGUAGES, NOBODY, OPTED_OUT
from registry.database import Database
from registry.members import MEMBERS
from registry.metadata import METADATA
from schemas.words import Channel, Language, Purpose
from tests.registry.audience.people import Person, store

NOW = datetime(2024, 5, 1, tzinfo=UTC)
AGREED = Person(email=True, consents=frozenset((*Channel, *Purpose)))


@pytest.fixture
def connection(empty_url: str):
    with Database(empty_url) as database, database.transaction() as opened:
        METADATA.create_all(opened)
        assert store(opened, [AGREED] * 8) == list(range(1, 9))
        yield opened


def change(connection: Connection, member: int, **values: object) -> None:
    connection.execute(update(MEMBERS).where(MEMBERS.c.id == member).values(**values))


def test_each_member_stands_in_its_own_place(connection: Connection):
    change(connection, 2, mobile=None)
    change(connection, 3, number_opt_outs=1)
    change(connection, 4, language="en", mobile_shared=True)
    change(connection, 5, consents=0)
    change(connection, 6, sms_failed_status=11)
    change(connection, 7, mobile="+8617900000007")
    asked = [7, 99, 6, 5, 4, 3, 2, 1, 7]
    found = addresses.addresses(connection, asked, channel=Channel.SMS, purpose=Purpose.BLOOD)
    chinese, english = (code for code, _ in sorted(LANGUAGES.items(), key=lambda item: item[1] is Language.ENGLISH))
    assert list(found.verdicts) == [
        chinese, NOBODY, NOBODY, NOBODY, english, OPTED_OUT, NOBODY, chinese, chinese,
    ]  # fmt: skip
    assert found.addresses[0] == found.addresses[8] == "+8617900000007"
    assert found.shared == "000010000"
    part = found.part(4, 6)
    assert (part.verdicts, part.shared, len(part.addresses)) == (found.verdicts[4:6], "10", 2)


def test_who_has_been_erased_is_nobody(connection: Connection):
    change(connection, 1, erased_at=None)
    before = addresses.addresses(connection, [1], channel=Channel.EMAIL, purpose=Purpose.BLOOD)
    connection.execute(update(MEMBERS).where(MEMBERS.c.id == 1).values(erased_at=NOW))
    after = addresses.addresses(connection, [1], channel=Channel.EMAIL, purpose=Purpose.BLOOD)
    assert before.verdicts in LANGUAGES
    assert after.verdicts == NOBODY
    assert "@" in before.addresses[0]
    assert after.addresses == [""]


def test_nobody_is_asked_for(connection: Connection):
    assert addresses.addresses(connection, [], channel=Channel.SMS, purpose=Purpose.BLOOD).addresses == []


@pytest.mark.postgres
def test_nobody_reads_all_members_for_a_range(postgres_url: str):
    # Just imported, nothing is known of how many there are and how many of them have been erased.
    asked = list(range(1, 1025))
    with Database(postgres_url) as database, database.transaction() as connection:
        METADATA.create_all(connection)
        store(connection, [AGREED] * 4000)
        statement = addresses._columns_by(Channel.SMS, "postgresql").compile(connection)
        bound = statement.construct_params({"asked": asked, "forbidden": 1, "wanted": 0})
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", bound).scalars().all()
    assert any("Index" in line and "members" in line for line in plan)
    assert not any("Seq Scan" in line for line in plan)


def test_every_language_has_its_code():
    assert sorted(LANGUAGES.values()) == sorted(Language)
