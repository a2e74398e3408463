"""What members said: stored word for word, once, and answered by the latest word."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection

from registry import replies
from registry.database import Database
from registry.replies import Answered, Push, Received, Understood

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
APPEAL = "a-20111124-0001"
PUSH = {"channel": "sms", "address": "+8617912345678", "sent_to": "07", "words": "1 可以，晚上八点后"}


def _store(connection: Connection, reply_id: str, *, at: datetime = NOW, **changes: str) -> None:
    said = PUSH | changes
    replies.store(connection, [Received(reply_id=reply_id, received_at=at, member_id=7, appeal_id=None, **said)])


def _known(connection: Connection, changes: dict[str, str] | None = None, *, now: datetime = NOW) -> bool:
    said = PUSH | (changes or {})
    (known,) = replies.pushed_before(connection, said.pop("channel"), [Push(**said)], now)
    return known


def _answer(connection: Connection, member: int, answer: str, *, at: datetime = NOW) -> None:
    replies.put_answers(connection, [Answered(APPEAL, member, answer, "sms", at, f"m-{member}-{answer}")])


def _screen(connection: Connection, member: int, *, matched: bool, by: str = "one") -> bool:
    return replies.screen(connection, appeal_id=APPEAL, member_id=member, matched=matched, by=by, at=NOW)


def test_the_same_push_within_ten_minutes_is_known(connection: Connection):
    assert not _known(connection)
    _store(connection, "m-1")
    assert _known(connection)
    assert _known(connection, now=NOW + 10 * MINUTE - timedelta(microseconds=1))
    assert not _known(connection, now=NOW + 10 * MINUTE)


@pytest.mark.parametrize(
    "changes", [{"words": "1"}, {"address": "+8617900000000"}, {"sent_to": "08"}, {"channel": "email"}], ids=str
)
def test_another_sender_recipient_or_word_is_another_reply(connection: Connection, changes: dict[str, str]):
    _store(connection, "m-1")
    assert not _known(connection, changes)


def test_of_two_pushes_at_once_one_is_stored(database: Database):
    start = Barrier(6)

    def push(number: int) -> bool:
        start.wait(10)
        with database.transaction() as connection:
            replies.wait_for_turn(connection, members=[], channel="sms", addresses=[PUSH["address"]])
            known = _known(connection)
            if not known:
                _store(connection, f"m-{number}")
            return known

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(push, range(6))) == [False] + [True] * 5


def test_words_are_kept_as_they_were_said(connection: Connection):
    _store(connection, "m-1", words="１ 我是A型🙂\n上个月刚献过")
    found = replies.by_ids(connection, ["m-1", "m-2"])
    assert list(found) == ["m-1"]
    assert found["m-1"].words == "１ 我是A型🙂\n上个月刚献过"
    assert found["m-1"].received_at == NOW


def test_what_nobody_understood_waits_for_a_person_the_oldest_first(connection: Connection):
    for number in (2, 1, 3):
        _store(connection, f"m-{number}", at=NOW + number * MINUTE)
    read = [
        Understood("m-1", "question", APPEAL, "question"),
        Understood("m-2", "unclear", None, "unclear"),
        Understood("m-3", "yes", APPEAL, None),
    ]
    replies.understood(connection, read)
    assert [row.reply_id for row in replies.waiting_for_a_person(connection)] == ["m-1", "m-2"]
    assert [row.reply_id for row in replies.waiting_for_a_person(connection, 1)] == ["m-1"]


def test_the_latest_answer_replaces_the_one_before(connection: Connection):
    _answer(connection, 7, "yes")
    _answer(connection, 7, "withdrawn", at=NOW + MINUTE)
    found = replies.answer(connection, APPEAL, 7)
    assert found is not None
    assert (found.answer, found.answered_at, found.revision) == ("withdrawn", NOW + MINUTE, 2)
    assert len(replies.answers(connection, APPEAL)) == 1


def test_answers_that_come_together_replace_each_other_in_their_order(connection: Connection):
    said = ("yes", "no", "withdrawn")
    replies.put_answers(connection, [Answered(APPEAL, 7, answer, "sms", NOW, f"m-{answer}") for answer in said])
    found = replies.answer(connection, APPEAL, 7)
    assert found is not None
    assert (found.answer, found.reply_id, found.revision) == ("withdrawn", "m-withdrawn", 3)
    assert replies.answers_of(connection, [APPEAL, "a-another"], [6, 7]) == {(APPEAL, 7): "withdrawn"}


def test_a_screening_survives_another_answer(connection: Connection):
    _answer(connection, 7, "yes")
    assert _screen(connection, 7, matched=True)
    _answer(connection, 7, "yes", at=NOW + MINUTE)
    found = replies.answer(connection, APPEAL, 7)
    assert found is not None
    assert found.matched is True


def test_nobody_is_screened_without_an_answer_or_twice(connection: Connection):
    assert not _screen(connection, 7, matched=True)
    _answer(connection, 7, "yes")
    assert _screen(connection, 7, matched=False, by="one")
    assert not _screen(connection, 7, matched=True, by="two")
    found = replies.answer(connection, APPEAL, 7)
    assert found is not None
    assert (found.matched, found.screened_by) == (False, "one")


def test_an_open_yes_waits_for_a_coordinator(connection: Connection):
    for number, (member, answer) in enumerate([(5, "yes"), (4, "no"), (3, "yes"), (2, "yes")]):
        _answer(connection, member, answer, at=NOW - number * MINUTE)
    _screen(connection, 3, matched=True)
    assert [row.member_id for row in replies.open_yes(connection, APPEAL)] == [2, 5]
    assert [row.member_id for row in replies.answers(connection, APPEAL)] == [5, 4, 3, 2]
    assert [row.member_id for row in replies.answers(connection, APPEAL, limit=2)] == [5, 4]
