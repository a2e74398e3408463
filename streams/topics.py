"""The topics, as one table."""

from dataclasses import dataclass, replace
from datetime import timedelta

FOREVER = None


@dataclass(frozen=True, slots=True)
class Topic:
    """`key` says what the key is; `retention` none = kept for ever; a compacted topic keeps the latest of each key."""

    name: str
    key: str
    partitions: int = 8
    retention: timedelta | None = timedelta(days=30)
    compacted: bool = False

    @property
    def retention_ms(self) -> int | None:
        """As both logs count it; none = for ever."""
        return milliseconds(self.retention)


def milliseconds(retention: timedelta | None) -> int | None:
    """How long a log keeps records, in its own unit; none = for ever."""
    return None if retention is None else retention // timedelta(milliseconds=1)


_ALL = (
    Topic("help-requests", "request id", retention=FOREVER),
    Topic("appeals", "appeal id", retention=FOREVER),
    Topic("audience-scans", "shard, by explicit partition"),
    Topic("dispatch-bulk", "batch id"),
    Topic("dispatch-urgent", "message id"),
    Topic("deliveries", "appeal id"),
    Topic("inbound", "member id, or the reply's id when its sender is unknown"),
    Topic("responses", "appeal id", retention=FOREVER),
    Topic(
        "controls", "what is held back, or let go: an appeal, a member", partitions=1, retention=FOREVER, compacted=True
    ),
    Topic("member-changes", "member id", retention=FOREVER, compacted=True),
    Topic("dead-letters", "source topic", partitions=1, retention=timedelta(days=180)),
)
_PER_SHARD = ("audience-scans", "member-changes")


def topics(shards: int) -> tuple[Topic, ...]:
    """The table for a registry of so many shards: one partition per shard where a shard is a partition."""
    return tuple(replace(topic, partitions=shards) if topic.name in _PER_SHARD else topic for topic in _ALL)
