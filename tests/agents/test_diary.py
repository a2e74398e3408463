"""What a worker's log tells of appeals and batches: once each, by id."""

from datetime import UTC, datetime
from pathlib import Path

from structlog.testing import capture_logs

from agents.tracking import Track
from registry.database import Database
from registry.migrate import create_or_check
from schemas.appeals import AppealLaunched, BatchOutcome, BatchSent, MemberAnswered, WaveOpened
from schemas.envelope import Envelope
from schemas.reader import Message
from schemas.words import Answer, Channel
from streams.inbox import Delivery

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
FINE = BatchOutcome(shard=2, batch=7, sent=256, messages=256)
DOUBTFUL = BatchOutcome(shard=3, batch=0, sent=250, uncertain=6, messages=250)
TOLD = (
    AppealLaunched(appeal_id="a-1234", request_id="r-1234", need=15, deadline=NOW, drill=False),
    WaveOpened(appeal_id="a-1234", wave=1, members=20, matched=9, invited=8, excluded={}),
    BatchSent(appeal_id="a-1234", wave=1, batches=(FINE, DOUBTFUL)),
    MemberAnswered(
        appeal_id="a-1234", member_id=5, answer=Answer.YES, channel=Channel.SMS, reply_id="m-1", told_closed=False
    ),
)


def delivery(message: Message, number: int) -> Delivery:
    envelope = Envelope(id=f"e-{number}", source="/test", type=message.type, time=NOW, subject="a-1234")
    return Delivery(message, envelope, "appeals", 0, number)


async def test_what_is_decided_and_each_batch_is_written_down_once_by_id(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/muster.db"
    create_or_check(url, migrate=False)
    with Database(url) as database, capture_logs() as lines:
        for _ in range(2):
            track = Track(database, reader="track")
            for number, message in enumerate(TOLD):
                await track(delivery(message, number))
    told = [(line["log_level"], line["appeal"], line.get("batch"), line.get("uncertain")) for line in lines]
    assert told == [
        ("info", "a-1234", None, None),
        ("info", "a-1234", None, None),
        ("debug", "a-1234", "a-1234/1/2/7", None),
        ("warning", "a-1234", "a-1234/1/3/0", 6),
    ]
