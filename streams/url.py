"""`MUSTER_LOG`: which log, and where."""

from dataclasses import dataclass
from pathlib import Path

from streams.errors import BadLogURL

_REMEDY = "MUSTER_LOG: write sqlite:////folder/log.db for the embedded log, or kafka://host:9092 for Apache Kafka"


@dataclass(frozen=True, slots=True)
class EmbeddedLog:
    path: Path


@dataclass(frozen=True, slots=True)
class KafkaLog:
    servers: tuple[str, ...]


def parse(url: str) -> EmbeddedLog | KafkaLog:
    """The log that this URL names.  Raises `BadLogURL` with the remedy."""
    scheme, found, rest = url.partition("://")
    if scheme == "sqlite" and found and rest.startswith("/") and len(rest) > 1:
        return EmbeddedLog(Path(rest[1:]) if rest[1:].startswith("/") else Path(rest[1:]).absolute())
    if scheme == "kafka" and rest:
        servers = tuple(part.strip() for part in rest.rstrip("/").split(","))
        if all(host and port.isdigit() for host, _, port in (server.rpartition(":") for server in servers)):
            return KafkaLog(servers)
    raise BadLogURL(_REMEDY)
