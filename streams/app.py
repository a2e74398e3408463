"""A Faust app on either log, with the settings that were found by trying (docs/architecture.md)."""

from pathlib import Path

import faust
from faust.tables import TableManager
from faust.transport.drivers import TRANSPORTS

from streams.url import EmbeddedLog, parse

TRANSPORTS.aliases |= {"sqlite": "streams.embedded.transport:Transport", "kafka": "streams.kafka.transport:Transport"}
_SHORTEST_REBALANCE = 2.0  # seconds; a busy worker needs one to hear of it and to come


def create_app(
    app_id: str, log_url: str, *, datadir: Path, partitions: int = 8, session_seconds: float = 6.0
) -> faust.App:
    """An app that serves no web, writes no tables to disk but its own and leaves logging alone.  Opens nothing yet.

    A worker on Kafka that is not heard of for `session_seconds` loses its partitions to the others.  Then each of them
    is waited for half as long: who dies while the group is put together again would hold it up for a second session.
    """
    log = parse(log_url)
    if isinstance(log, EmbeddedLog):
        broker = f"sqlite://{log.path}"
    else:
        broker = ";".join(f"kafka://{server}" for server in log.servers)
    return faust.App(
        app_id,
        broker=broker,
        datadir=datadir,
        value_serializer="raw",
        key_serializer="raw",
        topic_partitions=partitions,
        topic_allow_declare=True,
        web_enabled=False,
        broker_session_timeout=session_seconds,
        broker_heartbeat_interval=session_seconds / 6,
        broker_rebalance_timeout=max(session_seconds / 2, _SHORTEST_REBALANCE),
        broker_commit_interval=0.5,
        broker_max_poll_records=500,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        producer_acks=-1,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        TableManager=_Tables,
    )


class _Tables(TableManager):  # type: ignore[misc]
    """Faust's own waits a second for agents and tables that are added late; ours are all there before the start."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()
