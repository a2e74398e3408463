"""What the board counts: each event once, and of a batch what was said of it last."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from agents.tracking import Track, lines_of
from muster.board import SAID
from registry import board
from registry.database import Database
from schemas.appeals import BatchOutcome, BatchSent, MemberAnswered
from schemas.envelope import Envelope
from schemas.reader import Message
from schemas.words import Answer, Channel
from streams.inbox import Delivery
from tests.schemas.examples import EXAMPLES

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
APPEAL = "a-20240501-0001"


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_every_line_has_its_words_on_the_board(message: Message):
    missing = {what for what, _ in lines_of(message)} - SAID.keys()
    assert not missing, "write what the board says in muster/board.py, SAID"


def _sent(number: int, *batches: BatchOutcome) -> Delivery:
    message = BatchSent(appeal_id=APPEAL, wave=1, batches=batches)
    envelope = Envelope(id=f"e-{number}", source="/test", type=message.type, time=NOW, subject=APPEAL)
    return Delivery(message, envelope, "appeals", 0, number)


async def test_a_batch_that_is_reported_again_is_counted_as_it_was_reported_last(database: Database):
    doubtful = BatchOutcome(shard=0, batch=0, sent=700, messages=700, uncertain=324)
    known = BatchOutcome(shard=0, batch=0, sent=1023, messages=1023, refused=1)
    other = BatchOutcome(shard=1, batch=0, sent=1000, messages=1000, opted_out=24)
    track = Track(database, reader="track")
    await asyncio.gather(track(_sent(1, doubtful)), track(_sent(2, known, other)), track(_sent(2, known, other)))
    await track(_sent(3, other))
    with database.snapshot() as connection:
        counts = board.counts(connection, APPEAL)
    assert {name: count for name, count in counts.items() if count and not name.startswith("wave1_")} == {
        "sent": 2023,
        "messages": 2023,
        "refused": 1,
        "opted_out": 24,
    }
    assert (counts["wave1_uncertain"], counts["wave1_sent"]) == (0, 2023)


def _answer(number: int) -> Delivery:
    message = MemberAnswered(
        appeal_id=APPEAL, member_id=number, answer=Answer.YES, channel=Channel.SMS, reply_id=f"m-{number}"
    )
    envelope = Envelope(id=f"m-{number}/answered", source="/test", type=message.type, time=NOW, subject=APPEAL)
    return Delivery(message, envelope, "appeals", 0, number)


async def test_what_is_shown_ahead_of_the_log_counts_once_whoever_hears_it_then(database: Database):
    here, elsewhere = Track(database, reader="track"), Track(database, reader="track")
    first, second, third = (_answer(number) for number in range(1, 4))
    here.go_ahead(first.envelope, first.message)
    here.go_ahead(second.envelope, second.message)
    await asyncio.gather(here(first), elsewhere(second), here(third))
    here.go_ahead(third.envelope, third.message)  # the log was quicker
    await asyncio.gather(here(third), here(first), elsewhere(first))
    with database.snapshot() as connection:
        assert board.counts(connection, APPEAL) == {"replies_yes": 3, "replies_by_sms": 3}
        told = [json.loads(row.details)["member"] for row in board.latest(connection, APPEAL, 10)]
    assert sorted(told) == [1, 2, 3]


async def test_what_others_hear_of_is_not_remembered_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agents.tracking._REMEMBERED", 2)
    track = Track(database, reader="track")
    answers = [_answer(number) for number in range(1, 5)]
    for answer in answers:
        track.go_ahead(answer.envelope, answer.message)
    assert len(track._ahead) == 2
    await asyncio.gather(*map(track, answers))
    with database.snapshot() as connection:
        assert board.counts(connection, APPEAL)["replies_yes"] == 4
    assert not track._ahead
