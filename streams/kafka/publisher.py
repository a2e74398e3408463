"""Publishing to Kafka from plain code: kafka-python's idempotent producer."""

from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.outgoing import Outgoing
from streams.errors import LogUnreachable
from streams.inbox import Raw
from streams.kafka import admin

_PATIENCE_SECONDS = 15


class KafkaPublisher:
    """Waits for the acknowledgement of all in-sync replicas."""

    def __init__(self, servers: Sequence[str]) -> None:
        try:
            self._producer = KafkaProducer(
                bootstrap_servers=list(servers),
                bootstrap_timeout_ms=admin.BOOTSTRAP_MS,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_block_ms=_PATIENCE_SECONDS * 1000,
            )
        except KafkaError as exc:
            raise LogUnreachable(f"no broker answers at {', '.join(servers)}") from exc

    def publish(self, messages: Sequence[Outgoing]) -> None:
        try:
            sent = [
                self._producer.send(
                    message.topic,
                    key=message.key.encode(),
                    value=message.value,
                    headers=list(message.envelope.to_headers()),
                    partition=message.partition,
                )
                for message in messages
            ]
            self._producer.flush(timeout=_PATIENCE_SECONDS)
            for future in sent:
                future.get(timeout=_PATIENCE_SECONDS)
        except KafkaError as exc:
            raise LogUnreachable(f"the broker did not take it: {type(exc).__name__}") from exc

    def republish(self, raw: Raw) -> None:
        try:
            self._producer.send(
                raw.topic, key=raw.key, value=raw.value, headers=list(raw.headers), partition=raw.partition
            ).get(timeout=_PATIENCE_SECONDS)
        except KafkaError as exc:
            raise LogUnreachable(f"the broker did not take it: {type(exc).__name__}") from exc

    def close(self) -> None:
        self._producer.close(timeout=5)
