"""A message on its way to the log: what the outbox keeps and the publisher writes."""

from dataclasses import dataclass
from datetime import datetime

from schemas.envelope import Envelope
from schemas.reader import Message, write


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`partition` is given only where the key must not decide it; no `value` is a tombstone on a compacted topic."""

    topic: str
    key: str
    envelope: Envelope
    value: bytes | None
    partition: int | None = None


def outgoing(
    topic: str, key: str, message: Message, *, event_id: str, source: str, time: datetime, partition: int | None = None
) -> Outgoing:
    """The message for that topic, its envelope's type and subject filled in from the message and the key."""
    envelope = Envelope(id=event_id, source=source, type=message.type, time=time, subject=key)
    return Outgoing(topic, key, envelope, write(message), partition)
