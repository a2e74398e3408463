"""The one writer: whoever has something to say to the log says it here, on either log."""

from collections.abc import Sequence
from typing import Protocol

from schemas.outgoing import Outgoing
from streams.embedded.publisher import EmbeddedPublisher
from streams.inbox import Raw
from streams.url import EmbeddedLog, parse


class Publisher(Protocol):
    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Return once all are durable, in this order per key.  Raises `LogUnreachable`; then some may have been written."""

    def republish(self, raw: Raw) -> None:
        """Append the same bytes to the same topic once more.  Raises `LogUnreachable`."""

    def close(self) -> None: ...


def open_publisher(log_url: str) -> Publisher:
    """The publisher for this log.  Raises `BadLogURL`, `LogUnreachable` or `WrongVersion`."""
    log = parse(log_url)
    if isinstance(log, EmbeddedLog):
        return EmbeddedPublisher(log.path)
    from streams.kafka.publisher import KafkaPublisher  # noqa: PLC0415 - slow to import, and not needed without Kafka

    return KafkaPublisher(log.servers)
