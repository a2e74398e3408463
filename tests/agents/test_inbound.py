"""What the gateway brings is kept, whatever is in it: else the gateway would push it again for ever."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select, update

from agents.inbound import Inbound, receive
from notifiers.ports import Incoming
from registry import outbox, replies
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.members import MEMBERS
from registry.migrate import create_or_check
from registry.replies import REPLIES
from registry.writers import Work
from schemas.reader import read
from schemas.replies import ReplyReceived
from schemas.words import Channel
from tests.registry.audience.people import Person, store

NOW = datetime(2011, 11, 24, 12, tzinfo=UTC)


def test_a_text_with_a_nul_in_it_is_kept_once(database: Database):
    incoming = Incoming(address="+8617900000001", text="1\0", slot=1)
    for number, fresh in enumerate((True, False)):
        with database.transaction() as connection:
            assert receive(connection, [(f"m-{number}", incoming)], Channel.SMS, NOW) == [fresh]
    with database.snapshot() as connection:
        assert connection.execute(select(REPLIES.c.words)).scalars().all() == ["1\N{REPLACEMENT CHARACTER}"]


def test_messages_that_share_a_commit_are_each_somebodys_and_stored_once(database: Database):
    with database.transaction() as connection:
        store(connection, [Person()] * 3)
        connection.execute(update(MEMBERS).where(MEMBERS.c.id == 3).values(mobile="+8617900000002"))
    said = [("17900000001", "1"), ("17900000002", "1"), ("10086", "1"), ("17900000001", "2"), ("17900000001", "1")]
    messages = [(f"m-{place}", Incoming(f"+86{number}", words, 1)) for place, (number, words) in enumerate(said)]
    with database.transaction() as connection:
        assert receive(connection, messages, Channel.SMS, NOW) == [True, True, True, True, False]
        told = [read(message.value) for _, message in outbox.waiting(connection, 10)]
    assert [(reply.reply_id, reply.member_id) for reply in told if isinstance(reply, ReplyReceived)] == [
        ("m-0", 1),
        ("m-1", None),  # two share it
        ("m-2", None),
        ("m-3", 1),
    ]
    with database.snapshot() as connection:
        assert sorted(replies.by_ids(connection, [reply_id for reply_id, _ in messages])) == [
            "m-0",
            "m-1",
            "m-2",
            "m-3",
        ]


class Away(Database):
    """Cannot be reached at first."""

    away = 3

    async def write(self, work: Work) -> object:
        self.away -= 1
        if self.away >= 0:
            raise DatabaseUnreachable("connection refused")
        return await super().write(work)


async def test_a_database_that_is_away_for_a_moment_is_waited_for(tmp_path: Path):
    url, pauses = f"sqlite:///{tmp_path}/muster.db", []
    create_or_check(url, migrate=False)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    with Away(url) as database:
        door = Inbound(database, Channel.SMS, now=lambda: NOW, new_id=lambda: "1", sleep=sleep)
        await door.on_incoming(Incoming(address="+8617900000001", text="1", slot=1))
        with database.snapshot() as connection:
            assert connection.execute(select(REPLIES.c.words)).scalars().all() == ["1"]
    assert len(pauses) == 3
