"""What the board counts: each event once, and of a batch what was said of it last."""

import asyncio
from datetime import UTC, datetime

import pytest

from agents.tracking import Track, lines_of
from muster.board import SAID
from registry import board
from registry.database import Database
from schemas.appeals import BatchOutcome, BatchSent
from schemas.envelope import Envelope
from schemas.reader import Message
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
