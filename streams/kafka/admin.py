"""Topics on Kafka, through kafka-python's admin client."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streams.errors import LogUnreachable
from streams.topics import Topic

BOOTSTRAP_MS = 8_000  # so long a person waits to hear that no broker answers; the library would take half a minute


@contextmanager
def _admin(servers: Sequence[str]) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=list(servers), bootstrap_timeout_ms=BOOTSTRAP_MS, request_timeout_ms=15_000
        )
    except KafkaError as exc:
        raise LogUnreachable(f"no broker answers at {', '.join(servers)}") from exc
    try:
        yield admin
    except KafkaError as exc:
        raise LogUnreachable(f"the broker refused: {type(exc).__name__}") from exc
    finally:
        admin.close()


def create_kafka_topics(servers: Sequence[str], wanted: Sequence[Topic]) -> None:
    """Make those that are missing, with the broker's default replication."""
    with _admin(servers) as admin:
        missing = [topic for topic in wanted if topic.name not in set(admin.list_topics())]
        for topic in missing:
            new = NewTopic(topic.name, topic.partitions, -1, topic_configs=_configs(topic))
            try:
                admin.create_topics([new])
            except TopicAlreadyExistsError:
                continue  # another worker was quicker


def describe_kafka_topics(servers: Sequence[str]) -> dict[str, int]:
    """Partitions by topic."""
    with _admin(servers) as admin:
        return {entry["name"]: len(entry["partitions"]) for entry in admin.describe_topics()}


def _configs(topic: Topic) -> dict[str, str]:
    retention = -1 if topic.retention_ms is None else topic.retention_ms
    policy = "compact" if topic.compacted else "delete"
    return {"cleanup.policy": policy, "retention.ms": str(retention)}
