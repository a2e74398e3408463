"""The embedded log as a Faust transport: one worker process owns all partitions.

What Faust expects of a transport beyond its abstract methods was found by trying: the generation must be set on the app
and on every message, and the assignor's assignment must be filled before `on_partitions_assigned`, or tables never get
their changelogs.
"""

import asyncio
import fcntl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import structlog
from faust.assignor.client_assignment import ClientAssignment
from faust.transport import base
from faust.transport.consumer import Consumer as BaseConsumer
from faust.types import TP, ConsumerMessage

from streams.embedded.producer import Declares, Producer
from streams.embedded.store import Record, Store
from streams.errors import LogUnreachable, WorkerRunning

LOG = structlog.get_logger("muster.streams")
_GENERATION = 1
_FETCH = 500
_POLL_SECONDS = 0.005  # between looks for what other processes have appended; a look costs some microseconds
_CLEAN_SECONDS = 60.0
_PAUSE_SECONDS = 0.5  # between two tries to commit on a log that cannot be written


class Consumer(Declares, BaseConsumer):  # type: ignore[misc]
    """Reads every partition of the topics that the app subscribes to."""

    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = ()

    def __post_init__(self) -> None:
        self._store = Store(self.transport.path)
        # Commits have a connection of their own: they run in a thread, while this one reads in the event loop.
        self._commits = Store(self.transport.path)
        self._one_commit = asyncio.Lock()
        self._lock = _hold(self.transport.path, self.app.conf.id)
        self._positions: dict[TP, int] = {}
        self._assigned: set[TP] = set()
        self._topics: frozenset[str] = frozenset()
        self._seen = -1
        self._cleaned = time.monotonic()

    # --- partitions ---------------------------------------------------------------------------------------------

    async def subscribe(self, topics: Iterable[str]) -> None:
        wanted = frozenset(topics)
        if wanted != self._topics:
            self._topics = wanted
            self.add_future(self._assign(wanted))

    async def _assign(self, topics: frozenset[str]) -> None:
        """The rebalance of a group with one member."""
        app = self.app
        app.on_rebalance_start()
        for topic in topics:
            if self._store.partitions(topic) is None:
                self._store.declare(topic, app.conf.topic_partitions, retention_ms=None, compacted=False)
        changelogs = {topic for topic in app.tables.changelog_topics if self._store.partitions(topic) is not None}
        actives = {topic: list(range(self._store.partitions(topic) or 0)) for topic in topics | changelogs}
        assigned = {TP(topic, partition) for topic, partitions in actives.items() for partition in partitions}
        app.assignor._assignment = ClientAssignment(actives=actives, standbys={})  # noqa: SLF001
        app.consumer_generation_id = _GENERATION
        if self._assigned:
            await self.on_partitions_revoked(self._assigned)
        self._assigned = assigned
        for tp in assigned:
            self._positions.setdefault(tp, self._committed(tp))
        await self.on_partitions_assigned(assigned, _GENERATION)

    def assignment(self) -> set[TP]:
        return self._assigned

    def topic_partitions(self, topic: str) -> int | None:
        return self._store.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        if partition is not None:
            return partition
        return self._store.place(topic, key)

    # --- positions ----------------------------------------------------------------------------------------------

    def _committed(self, tp: TP) -> int:
        committed = self._store.committed(self.app.conf.id, tp.topic, tp.partition)
        return self._store.earliest(tp.topic, tp.partition) if committed is None else committed

    async def seek_to_committed(self) -> Mapping[TP, int]:
        self._positions = {tp: self._committed(tp) for tp in self._assigned}
        self._seen = -1
        return {
            tp: committed
            for tp in self._assigned
            if (committed := self._store.committed(self.app.conf.id, tp.topic, tp.partition)) is not None
        }

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[TP(*partition)] = offset
        self._seen = -1

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            self._read_offset[TP(*tp)] = offset or None
            await self._seek(tp, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        for tp in partitions:
            await self._seek(tp, self._store.earliest(tp.topic, tp.partition))

    async def position(self, tp: TP) -> int | None:
        return self._positions.get(TP(*tp))

    def highwater(self, tp: TP) -> int:
        return self._store.end(tp.topic, tp.partition)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self._store.end(tp.topic, tp.partition) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self._store.earliest(tp.topic, tp.partition) for tp in partitions}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Waits while the log cannot be written: Faust takes these offsets for committed whatever we answer."""
        reached = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        async with self._one_commit:
            while True:
                try:
                    await asyncio.to_thread(self._commits.commit, self.app.conf.id, reached)
                except LogUnreachable as exc:
                    LOG.warning("a commit waits for the log", group=self.app.conf.id, reason=str(exc))
                    if self.should_stop:
                        return False  # what it is about comes again after the next start
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    return True

    # --- records ------------------------------------------------------------------------------------------------

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Record]]:  # noqa: ASYNC109
        """What is new in the active partitions; waits for it, not longer than `timeout` seconds."""
        wanted = self._assigned if active_partitions is None else active_partitions
        deadline = time.monotonic() + timeout
        while not self.should_stop:
            found = self._fetch(wanted)
            if found or time.monotonic() >= deadline:
                return found
            await self._something_new(deadline)
        return {}

    def _fetch(self, wanted: Iterable[TP]) -> dict[TP, list[Record]]:
        found: dict[TP, list[Record]] = {}
        ends = self._store.ends()
        for tp in wanted:
            position = self._positions.get(tp, 0)
            if ends.get((tp.topic, tp.partition), 0) > position:
                records = self._store.read(tp.topic, tp.partition, position, _FETCH)
                if records:
                    found[tp] = records
                    self._positions[tp] = records[-1].offset + 1
        return found

    async def _something_new(self, deadline: float) -> None:
        """Until anybody has committed to the file, ourselves included (our writer has a connection of its own)."""
        await self._clean_now_and_then()
        while time.monotonic() < deadline and not self.should_stop:
            changed = self._store.changed()
            if changed != self._seen:
                self._seen = changed
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _clean_now_and_then(self) -> None:
        if time.monotonic() - self._cleaned > _CLEAN_SECONDS:
            self._cleaned = time.monotonic()
            async with self._one_commit:
                try:
                    await asyncio.to_thread(self._commits.clean, time.time_ns() // 1_000_000)
                except LogUnreachable as exc:
                    LOG.warning("old records stay for now", reason=str(exc))

    def _to_message(self, tp: TP, record: Record) -> ConsumerMessage:
        return ConsumerMessage(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.at / 1000,
            timestamp_type=0,
            headers=list(record.headers),
            key=record.key,
            value=record.value,
            checksum=None,
            serialized_key_size=len(record.key or b""),
            serialized_value_size=len(record.value or b""),
            tp=tp,
            generation_id=_GENERATION,
        )

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def on_stop(self) -> None:
        await super().on_stop()
        self._store.close()
        self._commits.close()
        self._lock.close()

    def close(self) -> None:
        """Nothing is open that `on_stop` does not close."""


def ensure_no_worker(path: Path, app_id: str) -> None:
    """Raises `WorkerRunning` when one runs: said before anything else is opened.  It may still start a moment later."""
    _hold(path, app_id).close()


def _hold(path: Path, app_id: str) -> Any:  # noqa: ANN401 - an open file
    """The lock that one worker per app holds; it dies with the process.  Raises `WorkerRunning`."""
    file = Path(f"{path}.{app_id}.lock").open("a")  # noqa: SIM115 - held as long as the consumer lives
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        file.close()
        raise WorkerRunning(
            f"a worker already runs on {path}: stop it first, or use MUSTER_LOG=kafka://... for several workers"
        ) from exc
    return file


class Transport(base.Transport):  # type: ignore[misc]
    """`sqlite:///path` for Faust."""

    Consumer = Consumer
    Producer = Producer
    default_port = 0
    driver_version = "muster-sqlite"

    @property
    def path(self) -> Path:
        """The file that the broker URL names."""
        return Path(str(self.url[0].path))
