"""The one reader of a topic in a worker: bytes become deliveries or dead letters."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from prometheus_client import Counter

from schemas.envelope import Envelope
from schemas.reader import Message, UnknownType, Unreadable, read

PASSED_OVER = Counter("muster_streams_passed_over_total", "Events of a type that only newer workers know", ["topic"])


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as it came, whatever is in it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, and where on the log it stands."""

    message: Message
    envelope: Envelope
    topic: str
    partition: int
    offset: int


class DeadLetters(Protocol):
    async def keep(self, raw: Raw, reason: str) -> None:
        """Keep the record and say why; durable on return."""


def raw_of(event: Any) -> Raw:  # noqa: ANN401 - a Faust event
    """The record behind a Faust event."""
    message = event.message
    headers = message.headers.items() if hasattr(message.headers, "items") else message.headers or ()
    return Raw(message.topic, message.partition, message.offset, message.key, message.value, tuple(headers))


class Outcome(StrEnum):
    """What became of an event."""

    DONE = "done"
    DEAD_LETTER = "dead-letter"
    PASSED_OVER = "passed-over"  # of a type that only a newer worker knows: nothing is wrong with it


async def open_letter(raw: Raw, dead_letters: DeadLetters) -> Delivery | Outcome:
    """What is in this record, or what became of a record that nothing can be read from."""
    try:
        message = read(raw.value)
        envelope = Envelope.from_headers(raw.headers)
    except UnknownType:
        PASSED_OVER.labels(topic=raw.topic).inc()
        return Outcome.PASSED_OVER
    except Unreadable as exc:
        await dead_letters.keep(raw, str(exc))
        return Outcome.DEAD_LETTER
    except ValueError as exc:
        await dead_letters.keep(raw, f"envelope: {exc}")
        return Outcome.DEAD_LETTER
    return Delivery(message, envelope, raw.topic, raw.partition, raw.offset)
