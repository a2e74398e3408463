"""One case of the contract: a topic and a group of its own on either log, and the worker processes that follow it."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import RetriableError

from schemas.appeals import Tick
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from schemas.reader import write
from streams.embedded.store import Store
from streams.publisher import Publisher
from streams.url import EmbeddedLog, parse
from tests.servers.process import ServerProcess
from tests.streams.contract_worker import Plan

PARTITIONS = 4
PATIENCE_SECONDS = 90
_TICK = write(Tick(appeal_id="a-20111124-0001", due=datetime(2011, 11, 24, 12, tzinfo=UTC)))


def event(topic: str, name: str, *, key: str = "k", partition: int | None = None, value: bytes = _TICK) -> Outgoing:
    """An event that is told apart by its id."""
    envelope = Envelope(id=name, source="/tests", type="muster.tick", time=datetime.now(UTC), subject=key)
    return Outgoing(topic, key, envelope, value, partition)


@dataclass
class Case:
    """What the worker saw is read from its file, which outlives it."""

    plan: Plan
    publisher: Publisher

    def publish(self, *names: str, **where: Any) -> None:
        self.publisher.publish([event(self.plan.topic, name, **where) for name in names])

    def facts(self) -> list[dict]:
        if not self.plan.seen.exists():
            return []
        return [json.loads(line) for line in self.plan.seen.read_text().splitlines(keepends=True) if line[-1] == "\n"]

    def seen(self, by: ServerProcess | None = None) -> list[dict]:
        """The events whose reaction came to its end, in that order."""
        return [fact for fact in self.facts() if "event" in fact and (by is None or fact["pid"] == by.pid)]

    def names(self, by: ServerProcess | None = None) -> list[str]:
        return [fact["event"] for fact in self.seen(by)]

    def names_of(self, reaction: str, key: str) -> list[str]:
        return [fact["event"] for fact in self.seen() if (fact["reaction"], fact["key"]) == (reaction, key)]

    @contextmanager
    def worker(self, **plan: Any) -> Iterator[ServerProcess]:
        """A worker process on this case's topic, killed at the end if it still runs."""
        self.plan = replace(self.plan, **plan)
        log = Path(self.plan.folder) / "worker.log"
        command = [sys.executable, "-m", "tests.streams.contract_worker", self.plan.to_json()]
        process = ServerProcess(command, log=log)
        try:
            yield process
        finally:
            process.kill()

    def wait(self, process: ServerProcess, until: Callable[[], bool]) -> None:
        process.wait_until(until, seconds=PATIENCE_SECONDS)

    def wait_for(self, process: ServerProcess, names: Sequence[str]) -> None:
        """Until the worker has come to the end of these events."""
        self.wait(process, lambda: set(names) <= set(self.names(process)))

    def wait_committed(self, process: ServerProcess, partition: int, offset: int) -> None:
        """Until the log knows that the group has reached this offset."""
        self.wait(process, lambda: self.committed().get(partition) == offset)

    def committed(self) -> dict[int, int]:
        """How far the group has come, by partition, asked of the log itself."""
        log = parse(self.plan.log)
        if isinstance(log, EmbeddedLog):
            store = Store(log.path)
            found = {n: store.committed(self.plan.app, self.plan.topic, n) for n in range(self.plan.partitions)}
            store.close()
            return {partition: offset for partition, offset in found.items() if offset is not None}
        admin = KafkaAdminClient(bootstrap_servers=log.servers)
        try:
            offsets = admin.list_group_offsets(self.plan.app)[self.plan.app]
        except RetriableError:  # the group is only being made
            return {}
        finally:
            admin.close()
        return {tp.partition: found.offset for tp, found in offsets.items() if tp.topic == self.plan.topic}
