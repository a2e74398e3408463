"""Dead letters: the original bytes of what could not be used, where they came from, why, and when."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter

from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from streams.inbox import Raw
from streams.publisher import Publisher, open_publisher
from streams.tail import read_to_end

TOPIC = "dead-letters"
SOURCE = "/muster/dead-letters"
KEPT = Counter("muster_streams_dead_letters_total", "Events that went to the dead letters", ["topic"])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` is topic/partition/offset of the original."""

    id: str
    raw: Raw
    reason: str
    time: datetime
    retried: bool = False


class Keep:
    """Publishes dead letters; given to every reaction."""

    def __init__(self, publisher: Publisher, now: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._now = now

    async def keep(self, raw: Raw, reason: str) -> None:
        await asyncio.to_thread(self._publisher.publish, [_letter(raw, reason, self._now())])
        KEPT.labels(topic=raw.topic).inc()


def _letter(raw: Raw, reason: str, now: datetime) -> Outgoing:
    name = f"{raw.topic}/{raw.partition}/{raw.offset}"
    body = {
        "reason": reason,
        "topic": raw.topic,
        "partition": raw.partition,
        "offset": raw.offset,
        "key": _pack(raw.key),
        "value": _pack(raw.value),
        "headers": [[header, _pack(value)] for header, value in raw.headers],
    }
    envelope = Envelope(id=name, source=SOURCE, type="muster.dead-letter", time=now, subject=raw.topic)
    return Outgoing(TOPIC, raw.topic, envelope, json.dumps(body).encode())


def all_letters(log_url: str) -> list[DeadLetter]:
    """Every letter that the log holds, the newest last.  Raises `LogUnreachable`."""
    return read_letters(asyncio.run(_all_records(log_url)))


async def _all_records(log_url: str) -> list[Raw]:
    return [record async for record in read_to_end(log_url, TOPIC)]


def put_back(log_url: str, letter: DeadLetter, now: datetime) -> None:
    """Publish the original bytes to the topic that they came from, and note that it was done."""
    note = Envelope(id=f"{letter.id}/retried", source=SOURCE, type="muster.dead-letter-retried", time=now)
    publisher = open_publisher(log_url)
    try:
        publisher.republish(letter.raw)
        publisher.publish([Outgoing(TOPIC, letter.raw.topic, note, json.dumps({"retried": letter.id}).encode())])
    finally:
        publisher.close()


def read_letters(records: Iterable[Raw]) -> list[DeadLetter]:
    """The letters in these records of the dead-letter topic, the newest last; which were retried is noted."""
    letters: dict[str, DeadLetter] = {}
    for record in records:
        body = json.loads(record.value or b"{}")
        if "retried" in body:
            old = letters.get(body["retried"])
            if old is not None:
                letters[old.id] = DeadLetter(old.id, old.raw, old.reason, old.time, retried=True)
            continue
        envelope = Envelope.from_headers(record.headers)
        raw = Raw(
            body["topic"],
            body["partition"],
            body["offset"],
            _unpack(body["key"]),
            _unpack(body["value"]),
            tuple((name, _unpack(value) or b"") for name, value in body["headers"]),
        )
        letters[envelope.id] = DeadLetter(envelope.id, raw, body["reason"], envelope.time)
    return list(letters.values())


def _pack(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _unpack(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
