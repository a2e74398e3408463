"""What a worker knows of where messages go is what the members themselves say, at every moment, on both databases."""

from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from registry import addresses, revisions
from registry.addresses import LANGUAGES, NOBODY, OPTED_OUT
from registry.audience.contacts import Contacts
from registry.audience.index import AudienceIndex
from registry.consent import record_consent
from registry.database import Database
from registry.erasure import erase
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.opt_outs import opt_out, opt_out_number
from schemas.words import Channel, Language, Purpose
from tests.registry.audience.people import NOW, PERSONS, Person, forget_all, store

SHARDS = 3
ASKED = [7, 99, 1, 3, 2, 6, 5, 4, 1]
READS = {language: code for code, language in LANGUAGES.items()}
same_database = settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    with Database(empty_url) as opened:
        with opened.transaction() as connection:
            METADATA.create_all(connection)
        yield opened


def _contacts(database: Database) -> Contacts:
    with database.snapshot() as connection:
        indexes = AudienceIndex.load_many(connection, range(SHARDS), SHARDS)
    return Contacts(database, dict(enumerate(indexes)), SHARDS)


def _told(book: object, database: Database, asked: list[int], channel: Channel, purpose: Purpose) -> object:
    with database.snapshot() as connection:
        found = book.addresses(connection, asked, channel=channel, purpose=purpose)  # type: ignore[attr-defined]
    # Whose address it is matters where a message goes, and nowhere else.
    welcome = [
        address for verdict, address in zip(found.verdicts, found.addresses, strict=True) if verdict in LANGUAGES
    ]
    return found.verdicts, found.shared, welcome


def _verdicts(contacts: Contacts, database: Database, asked: list[int]) -> str:
    with database.transaction() as connection:
        return contacts.addresses(connection, asked, channel=Channel.SMS, purpose=Purpose.BLOOD).verdicts


@same_database
@given(
    people=st.lists(PERSONS, min_size=1, max_size=12),
    later=st.lists(st.tuples(st.integers(0, 30), PERSONS, st.booleans()), max_size=6),
    channel=st.sampled_from(Channel),
    purpose=st.sampled_from(Purpose),
)
def test_they_say_what_the_members_say_before_and_after_every_change(
    database: Database, people, later, channel, purpose
):
    with database.transaction() as connection:
        forget_all(connection)
        ids = store(connection, people)
    contacts = _contacts(database)
    for number, person, shared in [(0, people[0], False), *later]:
        member = ids[number % len(ids)]
        with database.transaction() as connection:
            row = person.row(member, revisions.take(connection).revision) | {"mobile_shared": shared}
            connection.execute(update(MEMBERS).where(MEMBERS.c.id == member).values(**row))
        asked = [*reversed(ids), 10**6, ids[0]]
        expected = _told(addresses, database, asked, channel, purpose)
        assert _told(contacts, database, asked, channel, purpose) == expected


def test_whatever_the_registry_learns_is_known_to_the_next_range(database: Database):
    with database.transaction() as connection:
        store(connection, [Person(consents=frozenset((*Channel, *Purpose))) for _ in range(6)])
    contacts = _contacts(database)
    with database.transaction() as connection:
        store(connection, [Person(language=Language.ENGLISH)])
        opt_out(connection, 1, at=NOW, source="reply")
        opt_out_number(connection, "17900000002", at=NOW, source="reply")
        record_consent(connection, 3, Purpose.BLOOD, given=False, on=date(2024, 5, 1), source="desk")
        addresses.record_failure(connection, Channel.SMS, [4], 11, NOW)
        erase(connection, 5, at=NOW)
    zh, en = READS[Language.CHINESE], READS[Language.ENGLISH]
    expected = [en, NOBODY, OPTED_OUT, NOBODY, OPTED_OUT, zh, NOBODY, NOBODY, OPTED_OUT]
    assert list(_verdicts(contacts, database, ASKED)) == expected


def test_what_came_to_nothing_is_not_taken_for_known(database: Database):
    """A change of the same revision comes after it, and must not be passed over."""
    with database.transaction() as connection:
        store(connection, [Person(), Person()])
    contacts = _contacts(database)

    with database.transaction() as connection:
        opt_out(connection, 1, at=NOW, source="reply")
        contacts.addresses(connection, [1, 2], channel=Channel.SMS, purpose=Purpose.BLOOD)
        connection.rollback()
    with database.transaction() as connection:
        opt_out(connection, 2, at=NOW, source="reply")
    assert _verdicts(contacts, database, [1, 2]) == READS[Language.CHINESE] + OPTED_OUT


def test_without_members_everybody_is_nobody(database: Database):
    assert _verdicts(_contacts(database), database, [1, 2]) == NOBODY * 2
