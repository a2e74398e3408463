"""What comes in by mail or by a link: the doors behind it, on a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection

from agents.inbound import Arrived, OptOutsByLink, keep
from notifiers.ports import Incoming
from registry import addresses, erasure, outbox
from registry.database import Database
from registry.importing.run import import_members
from registry.migrate import create_or_check
from schemas.dispatch import OptedOut
from schemas.reader import MESSAGES
from schemas.replies import ReplyReceived
from schemas.words import Channel, Purpose
from tests.registry.audience.people import Person, store

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
BOTH = frozenset((Channel.EMAIL, Purpose.BLOOD))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/muster.db"
    create_or_check(url, migrate=False)
    with Database(url) as database:
        with database.transaction() as connection:
            store(connection, [Person(email=True, consents=BOTH)])
        yield database


def told(connection: Connection) -> list:
    return [MESSAGES.validate_json(message.value) for _, message in outbox.waiting(connection, 99)]


def reachable(connection: Connection) -> bool:
    found = addresses.addresses(connection, [1], channel=Channel.EMAIL, purpose=Purpose.BLOOD)
    return found.verdicts in addresses.LANGUAGES


def opt_outs(database: Database) -> OptOutsByLink:
    numbers = count()
    return OptOutsByLink(database, now=lambda: NOW, new_id=lambda: str(next(numbers)))


async def test_a_link_that_is_followed_twice_is_told_once(database: Database):
    door = opt_outs(database)
    for _ in range(2):
        await door.opt_out_member(1, Purpose.BLOOD, Channel.EMAIL, "one-click")
    with database.snapshot() as connection:
        assert not reachable(connection)
        said = [message for message in told(connection) if isinstance(message, OptedOut)]
    assert said == [OptedOut(member_id=1, purpose=Purpose.BLOOD, channel=Channel.EMAIL)]


async def test_a_link_of_somebody_who_was_erased_is_as_good_as_done(database: Database):
    with database.transaction() as connection:
        erasure.erase(connection, 1, at=NOW)
    await opt_outs(database).opt_out_member(
        1, None, Channel.EMAIL, "one-click"
    )  # a mailbox provider would try for ever


@pytest.mark.parametrize(("key", "appeal"), [("a-2011", "a-2011"), ("-", None), (None, None)])
def test_an_answer_to_a_letter_about_no_appeal_names_none(database: Database, key: str | None, appeal: str | None):
    incoming = Incoming("M1@example.org", "1", None, key=key)
    with database.transaction() as connection:
        assert keep(connection, [Arrived("m-1", incoming)], Channel.EMAIL, NOW) == [True]
        (received,) = told(connection)
    assert received == ReplyReceived(reply_id="m-1", channel=Channel.EMAIL, member_id=1, appeal_id=appeal)


@pytest.mark.parametrize(("address", "reached"), [("m1@example.org", False), ("new@example.org", True)])
def test_only_a_new_mailbox_makes_up_for_one_that_was_refused_for_good(
    database: Database, tmp_path: Path, address: str, reached: bool
):
    with database.transaction() as connection:
        addresses.record_failure(connection, Channel.EMAIL, [1], 550, NOW)
        assert not reachable(connection)

    table = tmp_path / "members.csv"
    table.write_text(f"card_number,email,name\nBJ0000000001,{address},Ann\n", encoding="utf-8")
    report = import_members(database, table, now=NOW, shards=1, announce=lambda *_: None, milestone=lambda _: None)

    assert report.updated == 1
    with database.snapshot() as connection:
        assert reachable(connection) == reached
