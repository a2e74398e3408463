"""Following a topic outside any group: what every worker must hear, and what tests and doors look at."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from schemas.envelope import Envelope
from schemas.reader import Message, UnknownType, Unreadable, read
from streams.embedded.tail import follow_embedded, read_embedded
from streams.inbox import Raw
from streams.kafka.tail import follow_kafka, read_kafka
from streams.url import EmbeddedLog, parse


@dataclass(frozen=True, slots=True)
class Heard:
    message: Message
    envelope: Envelope
    raw: Raw


class Tail:
    """A topic from its start (or from now).  `caught_up` is set once everything that was there at the beginning is out."""

    def __init__(self, log_url: str, topic: str, *, from_start: bool = True) -> None:
        self._url = log_url
        self._topic = topic
        self._from_start = from_start
        self.caught_up = asyncio.Event()

    async def raw(self) -> AsyncIterator[Raw]:
        """Records as they come, for ever.  Waits while the log is away."""
        log = parse(self._url)
        if isinstance(log, EmbeddedLog):
            records = follow_embedded(log.path, self._topic, self._from_start, self.caught_up)
        else:
            records = follow_kafka(log.servers, self._topic, self._from_start, self.caught_up)
        async for record in records:
            yield record

    async def messages(self) -> AsyncIterator[Heard]:
        """What can be read; the rest is for those who keep dead letters."""
        async for raw in self.raw():
            try:
                yield Heard(read(raw.value), Envelope.from_headers(raw.headers), raw)
            except (Unreadable, UnknownType, ValueError):
                continue


async def read_to_end(log_url: str, topic: str) -> AsyncIterator[Raw]:
    """What the topic holds now, from its start; then it ends.  Raises `LogUnreachable`."""
    log = parse(log_url)
    records = read_embedded(log.path, topic) if isinstance(log, EmbeddedLog) else read_kafka(log.servers, topic)
    async for record in records:
        yield record
