"""Making the topics, and saying how a log differs from what a worker needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.embedded.store import Store
from streams.errors import ShortSession
from streams.kafka.admin import create_kafka_topics, describe_kafka_topics, shortest_kafka_session
from streams.topics import Topic
from streams.url import EmbeddedLog, parse


@dataclass(frozen=True, slots=True)
class Difference:
    topic: str
    what: str
    remedy: str


def create_topics(log_url: str, wanted: Sequence[Topic]) -> None:
    """Make those of the table that are missing; what is there stays as it is.  Raises `LogUnreachable` or `WrongVersion`."""
    log = parse(log_url)
    if not isinstance(log, EmbeddedLog):
        create_kafka_topics(log.servers, wanted)
        return
    store = Store(log.path)
    try:
        for topic in wanted:
            store.declare(topic.name, topic.partitions, retention_ms=topic.retention_ms, compacted=topic.compacted)
    finally:
        store.close()


def ensure_session(log_url: str, seconds: float) -> None:
    """Raises `ShortSession` where a worker with such a session could join no group, and would wait for ever; `LogUnreachable`."""
    log = parse(log_url)
    shortest = None if isinstance(log, EmbeddedLog) else shortest_kafka_session(log.servers)
    if shortest is not None and seconds < shortest:
        raise ShortSession(
            f"MUSTER_SESSION_SECONDS: the broker allows no session below {shortest:g} s: set it to that or more, "
            "or lower the broker's group.min.session.timeout.ms"
        )


def check_topics(log_url: str, wanted: Sequence[Topic]) -> list[Difference]:
    """Where the log differs from the table.  Raises `LogUnreachable` or `WrongVersion`."""
    log = parse(log_url)
    if isinstance(log, EmbeddedLog):
        store = Store(log.path)
        try:
            found = {name: partitions for name, (partitions, _, _) in store.topics().items()}
        finally:
            store.close()
    else:
        found = describe_kafka_topics(log.servers)
    return list(_differences(wanted, found))


def _differences(wanted: Sequence[Topic], found: dict[str, int]) -> Iterator[Difference]:
    for topic in wanted:
        if topic.name not in found:
            yield Difference(topic.name, "is missing", "run `muster topics create`")
        elif found[topic.name] != topic.partitions:
            yield Difference(
                topic.name,
                f"has {found[topic.name]} partitions, not {topic.partitions}",
                "the number of shards is fixed once members exist: set MUSTER_SHARDS back, or start with a new log",
            )
