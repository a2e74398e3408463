"""Topics on Kafka, through kafka-python's admin client."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAlreadyExistsError

from streams.errors import LogUnreachable
from streams.topics import Topic

BOOTSTRAP_MS = 8_000  # so long a person waits to hear that no broker answers; the library would take half a minute
_SEEN_SECONDS = 60
_SHORTEST_SESSION = "group.min.session.timeout.ms"


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
    """Make those that are missing, with the broker's default replication, and return once all can be seen."""
    with _admin(servers) as admin:
        there = set(admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in there]
        for topic in missing:
            new = NewTopic(topic.name, topic.partitions, -1, topic_configs=_configs(topic))
            try:
                admin.create_topics([new])
            except TopicAlreadyExistsError:
                continue  # another worker was quicker
        if missing:
            _wait_until_seen(admin, {topic.name for topic in missing})


def _wait_until_seen(admin: KafkaAdminClient, names: set[str]) -> None:
    """The controller has made them; the brokers hear of it a moment later."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while not names <= set(admin.list_topics()):
        if time.monotonic() > deadline:
            raise LogUnreachable(f"the broker has not made all topics within {_SEEN_SECONDS} s")
        time.sleep(0.02)


def describe_kafka_topics(servers: Sequence[str]) -> dict[str, int]:
    """Partitions by topic."""
    with _admin(servers) as admin:
        return {entry["name"]: len(entry["partitions"]) for entry in admin.describe_topics()}


def shortest_kafka_session(servers: Sequence[str]) -> float | None:
    """Seconds that the session of a group must have at least; none where the broker will not say."""
    with _admin(servers) as admin:
        node = str(admin.describe_cluster()["brokers"][0]["broker_id"])
        broker = ConfigResource(ConfigResourceType.BROKER, node, configs={_SHORTEST_SESSION: None})
        try:
            found = admin.describe_configs([broker], config_filter="all")
        except ClusterAuthorizationFailedError:
            return None
        value = found["broker"][node].get(_SHORTEST_SESSION, {}).get("value")
        return int(value) / 1000 if value else None


def _configs(topic: Topic) -> dict[str, str]:
    retention = -1 if topic.retention_ms is None else topic.retention_ms
    policy = "compact" if topic.compacted else "delete"
    return {"cleanup.policy": policy, "retention.ms": str(retention)}
