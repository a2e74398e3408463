"""Replies that share a commit: each counts once, in its order, as if it were alone."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, update

from agents.replies import ReadReply
from decisions.wording import Kind, render
from registry import outbox, replies
from registry.appeals import APPEALS
from registry.database import Database
from registry.members import MEMBERS
from registry.replies import Received
from schemas.appeals import MemberAnswered
from schemas.dispatch import AnswerReply, OptedOut
from schemas.envelope import Envelope
from schemas.reader import Message, read
from schemas.replies import ReplyReceived
from schemas.words import Answer, Channel, Language
from streams.inbox import Delivery
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import APPEAL, launch
from tests.registry.audience.people import Person, store

NOW = datetime(2011, 11, 24, 12, 5, tzinfo=UTC)
SAID = ((1, "1"), (2, "1"), (1, "2"), (3, "T"), (2, "1"), (4, "??"))  # member and words, in this order


@pytest.fixture(autouse=True)
def said(database: Database) -> None:
    """What four members wrote to one appeal."""
    with database.transaction() as connection:
        store(connection, [Person()] * 4)
        assert open_appeal(connection, launch()) == 1
        for number, (member, words) in enumerate(SAID):
            _store(connection, number, member, words)


def _store(connection: Connection, number: int, member: int, words: str) -> None:
    replies.store(
        connection,
        [
            Received(
                reply_id=f"m-{number}",
                received_at=NOW,
                channel=Channel.SMS,
                address=f"+861790000000{member}",
                sent_to="1",
                member_id=member,
                appeal_id=None,
                words=words,
            )
        ],
    )


def _delivery(number: int, **other: object) -> Delivery:
    member, _ = SAID[number]
    said = {"reply_id": f"m-{number}", "channel": Channel.SMS, "member_id": member, "slot": 1}
    received = ReplyReceived.model_validate(said | other)
    envelope = Envelope(id=f"m-{number}", source="/test", type=received.type, time=NOW, subject=str(member))
    return Delivery(received, envelope, "inbound", 0, number)


async def _all_read(database: Database, *, together: bool) -> list[Message]:
    """What was told after everything had been read, some of it twice."""
    reaction = ReadReply(database, shards=8, now=lambda: NOW)
    deliveries = [_delivery(number) for number in (*range(len(SAID)), 0, 3)]
    if together:
        await asyncio.gather(*map(reaction, deliveries))
    else:
        for delivery in deliveries:
            await reaction(delivery)
    return _told(database)


def _told(database: Database) -> list[Message]:
    with database.snapshot() as connection:
        return [read(message.value) for _, message in outbox.waiting(connection, 100)]


@pytest.mark.parametrize("together", [False, True])
async def test_each_counts_once_and_in_its_order(database: Database, together: bool):
    told = await _all_read(database, together=together)
    answered = [(item.member_id, item.answer) for item in told if isinstance(item, MemberAnswered)]
    # Each answer is told to the appeal, and again to those who look after its volunteers.
    assert answered[::2] == answered[1::2]
    assert answered[::2] == [(1, Answer.YES), (2, Answer.YES), (1, Answer.WITHDRAWN), (2, Answer.YES)]
    assert [item.reply_id for item in told if isinstance(item, AnswerReply)] == [f"m-{n}" for n in range(len(SAID))]
    assert [item.member_id for item in told if isinstance(item, OptedOut)] == [3]
    with database.snapshot() as connection:
        assert {row.member_id: row.answer for row in replies.answers(connection, APPEAL)} == {
            1: Answer.WITHDRAWN,
            2: Answer.YES,
        }
        assert [row.reply_id for row in replies.waiting_for_a_person(connection)] == ["m-5"]


@pytest.mark.parametrize(
    ("status", "kind"), [("filled", Kind.CLOSED), ("expired", Kind.ENDED), ("stopped", Kind.ENDED)]
)
async def test_a_yes_that_comes_too_late_is_told_why(database: Database, status: str, kind: Kind):
    with database.transaction() as connection:
        connection.execute(update(APPEALS).values(status=status))
    await ReadReply(database, shards=8, now=lambda: NOW)(_delivery(0))
    (answer,) = [item for item in _told(database) if isinstance(item, AnswerReply)]
    ours = launch().spec.texts.ended if kind is Kind.ENDED else {}
    wanted = ours.get(Language.CHINESE) or render(kind, Language.CHINESE, "platelets")
    assert answer.draft.texts[Language.CHINESE] == wanted


async def test_a_reply_to_an_appeal_that_nobody_here_knows_waits_for_a_person(database: Database):
    # As after a restore, when somebody answers what was sent after the backup.
    reaction = ReadReply(database, shards=8, now=lambda: NOW)
    await asyncio.gather(reaction(_delivery(0, slot=None, appeal_id="a-20111124-0099")), reaction(_delivery(1)))
    with database.snapshot() as connection:
        assert [(row.reply_id, row.desk) for row in replies.waiting_for_a_person(connection)] == [("m-0", "no-appeal")]
        assert [row.member_id for row in replies.answers(connection, APPEAL)] == [2]


async def test_an_opt_out_of_somebody_who_has_been_erased_meanwhile_holds_nobody_up(database: Database):
    with database.transaction() as connection:
        connection.execute(update(MEMBERS).where(MEMBERS.c.id == 3).values(erased_at=NOW))
    reaction = ReadReply(database, shards=8, now=lambda: NOW)
    await asyncio.gather(reaction(_delivery(3)), reaction(_delivery(1)))
    with database.snapshot() as connection:
        assert [row.member_id for row in replies.answers(connection, APPEAL)] == [2]
