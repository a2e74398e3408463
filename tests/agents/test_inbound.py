"""What the gateway brings is kept, whatever is in it: else the gateway would push it again for ever."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from agents.inbound import Arrived, Inbound, keep, receive
from agents.replies import Read, ReadReply
from decisions.reply_words import Intent
from notifiers.ports import Incoming
from registry import addresses, outbox, replies
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.members import MEMBERS
from registry.migrate import create_or_check
from registry.replies import REPLIES, TWICE_WITHIN
from registry.writers import Work
from schemas.appeals import MemberAnswered
from schemas.dispatch import AnswerReply
from schemas.envelope import Envelope
from schemas.reader import Message, read
from schemas.replies import ReplyRead, ReplyReceived
from schemas.words import Answer, Channel, Purpose
from streams.inbox import Delivery
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import APPEAL, launch
from tests.registry.audience.people import Person, store

NOW = datetime(2011, 11, 24, 12, tzinfo=UTC)


def test_a_text_with_a_nul_in_it_is_kept_once(database: Database):
    incoming = Incoming(address="+8617900000001", text="1\0", slot=1)
    for number, fresh in enumerate((True, False)):
        with database.transaction() as connection:
            assert keep(connection, [Arrived(f"m-{number}", incoming)], Channel.SMS, NOW) == [fresh]
    with database.snapshot() as connection:
        assert connection.execute(select(REPLIES.c.words)).scalars().all() == ["1\N{REPLACEMENT CHARACTER}"]


@pytest.fixture
def three_members(database: Database) -> None:
    """The first has a number of their own; the other two share one.  They have all been asked."""
    with database.transaction() as connection:
        store(connection, [Person()] * 3)
        connection.execute(update(MEMBERS).where(MEMBERS.c.id == 3).values(mobile="+8617900000002"))
        assert open_appeal(connection, launch()) == 1


SAID = [("17900000001", "1"), ("17900000002", "1"), ("10086", "1"), ("17900000001", "2"), ("17900000001", "1")]
MESSAGES = [Arrived(f"m-{place}", Incoming(f"+86{number}", words, 1), 3) for place, (number, words) in enumerate(SAID)]
OF_MEMBER = [("m-0", 1), ("m-1", None), ("m-2", None), ("m-3", 1)]  # two share a number; one is nobody's


def _told(connection: Connection) -> list[tuple[Message, int | None]]:
    return [(read(message.value), message.partition) for _, message in outbox.waiting(connection, 200)]


@pytest.mark.usefixtures("three_members")
def test_messages_that_share_a_commit_are_each_somebodys_and_stored_once(database: Database):
    with database.transaction() as connection:
        assert keep(connection, MESSAGES, Channel.SMS, NOW) == [True, True, True, True, False]
        told = [reply for reply, _ in _told(connection)]
    assert [(reply.reply_id, reply.member_id) for reply in told if isinstance(reply, ReplyReceived)] == OF_MEMBER
    with database.snapshot() as connection:
        stored = replies.by_ids(connection, [item.reply_id for item in MESSAGES])
    assert sorted(stored) == ["m-0", "m-1", "m-2", "m-3"]
    assert {row.intent for row in stored.values()} == {None}


@pytest.mark.usefixtures("three_members")
def test_what_is_stored_is_read_and_has_its_effect_in_the_same_commit(database: Database):
    with database.transaction() as connection:
        done = receive(connection, MESSAGES, Channel.SMS, NOW, shards=8)
        told = _told(connection)
    assert [item and item.intent for item in done] == [
        Intent.YES,
        Intent.YES,
        Intent.YES,
        Intent.NO,
        None,
    ]
    reads = [message for message, _ in told if isinstance(message, ReplyRead)]
    assert [(message.reply_id, message.member_id) for message in reads] == OF_MEMBER
    assert [message.desk for message in reads] == [None, "shared-number", "unknown-number", None]
    orders = [(message.reply_id, partition) for message, partition in told if isinstance(message, AnswerReply)]
    assert orders == [(reply_id, 3) for reply_id, _ in OF_MEMBER]
    assert [item.acknowledgement.reply_id for item in done if item and item.acknowledgement] == [
        r for r, _ in OF_MEMBER
    ]
    assert not any(isinstance(message, ReplyReceived) for message, _ in told), "it would be read again"
    with database.snapshot() as connection:
        stored = replies.by_ids(connection, [item.reply_id for item in MESSAGES])
        (answer,) = replies.answers(connection, APPEAL)
    assert {reply_id: (row.intent, row.appeal_id, row.desk) for reply_id, row in sorted(stored.items())} == {
        "m-0": ("yes", APPEAL, None),
        "m-1": ("yes", APPEAL, "shared-number"),
        "m-2": ("yes", APPEAL, "unknown-number"),
        "m-3": ("no", APPEAL, None),
    }
    assert (answer.member_id, answer.answer) == (1, Answer.WITHDRAWN)


@pytest.mark.usefixtures("three_members")
def test_who_opts_out_is_not_written_to_from_that_commit_on(database: Database):
    with database.transaction() as connection:
        receive(connection, [Arrived("m-9", Incoming("+8617900000001", "T", 1))], Channel.SMS, NOW, shards=8)
    with database.snapshot() as connection:
        found = addresses.addresses(connection, [1, 2], channel=Channel.SMS, purpose=Purpose.BLOOD)
    assert found.verdicts[0] == addresses.OPTED_OUT
    assert found.verdicts[1] != addresses.OPTED_OUT


class Ahead:
    """Takes what goes ahead of the log."""

    def __init__(self, partition: int | None = 3) -> None:
        self.partition = partition
        self.sent: list[tuple[str, int]] = []
        self.answers: list[tuple[str, int]] = []

    def send(self, order: AnswerReply, partition: int) -> None:
        self.sent.append((order.reply_id, partition))

    def answered(self, envelope: Envelope, answer: MemberAnswered) -> None:
        self.answers.append((envelope.id, answer.member_id))


def _door(database: Database, ahead: Ahead, new_id: Callable[[], str] = lambda: "1") -> Inbound:
    return Inbound(
        database,
        Channel.SMS,
        shards=8,
        now=lambda: NOW,
        new_id=new_id,
        shortcut=ahead,
        on_answer=ahead.answered,
    )


@pytest.mark.usefixtures("three_members")
async def test_what_has_committed_goes_ahead_of_the_log_once(database: Database):
    ahead = Ahead()
    ids = iter("12")
    door = _door(database, ahead, lambda: next(ids))
    for _ in range(2):  # the gateway pushes it again
        await door.on_incoming(Incoming(address="+8617900000001", text="1", slot=1))
    assert ahead.sent == [("m-1", 3)]
    assert ahead.answers == [("m-1/answered", 1)]
    with database.snapshot() as connection:
        assert "m-1/answered" in {message.envelope.id for _, message in outbox.waiting(connection, 50)}


@pytest.mark.usefixtures("three_members")
async def test_where_there_is_no_shortcut_the_order_goes_where_its_key_says(database: Database):
    ahead = Ahead(partition=None)
    await _door(database, ahead).on_incoming(Incoming(address="+8617900000001", text="1", slot=1))
    assert ahead.sent == []
    with database.snapshot() as connection:
        assert [where for message, where in _told(connection) if isinstance(message, AnswerReply)] == [None]


@pytest.mark.usefixtures("three_members")
async def test_a_reply_that_cannot_be_read_is_kept_and_read_from_the_log(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> list[Read]:
        raise RuntimeError("a bug")

    ahead = Ahead()
    with monkeypatch.context() as patched:
        patched.setattr("agents.inbound.read_all", broken)
        await _door(database, ahead).on_incoming(Incoming(address="+8617900000001", text="1", slot=1))
    assert ahead.sent == ahead.answers == []
    with database.snapshot() as connection:
        assert replies.by_ids(connection, ["m-1"])["m-1"].intent is None
        ((received, _),) = _told(connection)
    assert isinstance(received, ReplyReceived)
    envelope = Envelope(id="m-1", source="/test", type=received.type, time=NOW, subject="1")
    reading = ReadReply(database, shards=8, now=lambda: NOW, on_answer=ahead.answered)
    for _ in range(2):
        await reading(Delivery(received, envelope, "inbound", 0, 0))
    assert ahead.answers == [("m-1/answered", 1)]
    with database.snapshot() as connection:
        assert replies.by_ids(connection, ["m-1"])["m-1"].intent == "yes"
        assert [row.answer for row in replies.answers(connection, APPEAL)] == [Answer.YES]


@pytest.mark.usefixtures("three_members")
async def test_a_member_who_answers_by_two_ways_at_once_has_said_one_thing_and_then_the_other(database: Database):
    with database.transaction() as connection:
        connection.execute(update(MEMBERS).where(MEMBERS.c.id == 1).values(email="m1@example.org"))
    now, ids = NOW, count()
    doors = [
        Inbound(database, channel, shards=8, now=lambda: now, new_id=lambda: str(next(ids)))
        for channel in (Channel.SMS, Channel.EMAIL)
    ]
    for _ in range(10):
        now += TWICE_WITHIN
        yes, no = Incoming("+8617900000001", "1", 1), Incoming("m1@example.org", "2", None, key=APPEAL)
        await asyncio.gather(doors[0].on_incoming(yes), doors[1].on_incoming(no))
    with database.snapshot() as connection:
        (kept,) = replies.answers(connection, APPEAL)
        told = [message for message, _ in _told(connection) if isinstance(message, MemberAnswered)]
    # Each is told to the appeal, and again to those who look after its volunteers.
    answers = [message.answer for message in told[::2]]
    assert len(answers) == 20
    assert answers[-1] == kept.answer, "the log ends with the answer that the registry keeps"
    for before, answer in pairwise([None, *answers]):
        no = Answer.WITHDRAWN if before == Answer.YES else Answer.NO  # a no takes back the yes that is open
        assert answer in {Answer.YES, no}


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
        door = Inbound(database, Channel.SMS, shards=8, now=lambda: NOW, new_id=lambda: "1", sleep=sleep)
        await door.on_incoming(Incoming(address="+8617900000001", text="1", slot=1))
        with database.snapshot() as connection:
            assert connection.execute(select(REPLIES.c.words)).scalars().all() == ["1"]
    assert len(pauses) == 3
