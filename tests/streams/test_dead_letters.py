"""A dead letter keeps the bytes, where they came from, why and when, and can be put back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.dead_letters import TOPIC, Keep, all_letters, put_back
from streams.inbox import Raw
from streams.publisher import open_publisher
from streams.setup import create_topics
from streams.tail import read_to_end
from streams.topics import Topic

NIGHT = datetime(2011, 11, 24, 12, tzinfo=UTC)
RAW = Raw("appeals", 2, 41, b"\xffkey", b"\x00no JSON", (("ce_id", b"e1"), ("any", b"\xff")))


@pytest.fixture
def log(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/log.db"
    create_topics(url, [Topic(TOPIC, "source topic", partitions=1), Topic("appeals", "appeal id", partitions=4)])
    return url


def keep(log: str, *letters: tuple[Raw, str]) -> None:
    publisher = open_publisher(log)
    kept = Keep(publisher, lambda: NIGHT)
    for raw, reason in letters:
        asyncio.run(kept.keep(raw, reason))
    publisher.close()


@pytest.mark.parametrize(
    "raw", [RAW, Raw("appeals", 0, 0, None, None, ())], ids=["bytes that are no text", "nothing at all"]
)
def test_a_letter_is_the_record_to_the_byte_with_reason_and_time(log: str, raw: Raw):
    keep(log, (raw, "message: json_invalid"))
    (letter,) = all_letters(log)
    assert (letter.raw, letter.reason, letter.time, letter.retried) == (raw, "message: json_invalid", NIGHT, False)
    assert letter.id == f"appeals/{raw.partition}/{raw.offset}"


def test_letters_are_listed_the_newest_last_and_each_once(log: str):
    """Two reactions on a topic keep the same letter twice, and so does a worker that comes back."""
    other = Raw("inbound", 0, 7, b"k", b"v", ())
    keep(log, (RAW, "first"), (other, "second"), (RAW, "first"))
    assert [letter.id for letter in all_letters(log)] == ["appeals/2/41", "inbound/0/7"]


def test_a_letter_that_was_put_back_is_on_its_topic_again_and_noted(log: str):
    keep(log, (RAW, "why"), (Raw("inbound", 0, 7, b"k", b"v", ()), "why"))
    put_back(log, all_letters(log)[0], NIGHT)

    async def records() -> list[Raw]:
        return [record async for record in read_to_end(log, "appeals")]

    (found,) = asyncio.run(records())
    assert (found.partition, found.key, found.value, found.headers) == (2, RAW.key, RAW.value, RAW.headers)
    assert [letter.retried for letter in all_letters(log)] == [True, False]


def test_no_letters_are_no_letters(log: str):
    assert all_letters(log) == []
