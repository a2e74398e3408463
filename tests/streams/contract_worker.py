"""A worker whose reactions write down what they saw, made only of what streams/ offers to everybody.

The contract suite runs it as a process of its own and kills it: `python -m tests.streams.contract_worker PLAN`.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from streams.app import create_app
from streams.dead_letters import Keep
from streams.errors import Busy
from streams.inbox import Delivery
from streams.ours import follow_ours
from streams.publisher import open_publisher
from streams.reactions import attach
from streams.worker import run


@dataclass(frozen=True)
class Plan:
    """What the worker does; events are named by their ids."""

    log: str
    app: str
    topic: str
    partitions: int
    folder: str
    reactions: tuple[str, ...] = ("write",)
    concurrency: int = 1
    held: tuple[str, ...] = ()  # whose reaction never ends
    broken: tuple[str, ...] = ()  # whose reaction has a bug
    busy: tuple[str, ...] = ()  # whose reaction is busy twice before it can go on
    counts: bool = False  # in a Faust table, how many events each key has had

    @property
    def seen(self) -> Path:
        return Path(self.folder) / "seen"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


class Writer:
    """Appends lines that a kill -9 cannot take back."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, **fact: object) -> None:
        self._file.write(json.dumps(fact) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def reaction(name: str, plan: Plan, writer: Writer, table: Any) -> Callable[[Delivery], Awaitable[None]]:
    tries: Counter[str] = Counter()

    async def react(delivery: Delivery) -> None:
        event = delivery.envelope.id
        tries[event] += 1
        if event in plan.broken:
            raise RuntimeError("a bug")
        if event in plan.busy and tries[event] <= 2:
            raise Busy("not yet")
        if event in plan.held:
            writer.write(held=event)
            await asyncio.Event().wait()
        fact: dict[str, object] = {"key": delivery.envelope.subject, "partition": delivery.partition}
        if table is not None:
            fact |= count(table, str(delivery.envelope.subject), delivery.offset)
        writer.write(event=event, reaction=name, offset=delivery.offset, tries=tries[event], pid=os.getpid(), **fact)

    return react


def count(table: Any, key: str, offset: int) -> dict[str, int]:
    """Count each event once, however often it comes."""
    last, so_far = table[key]
    if offset > last:
        table[key] = [offset, so_far + 1]
    return {"count": table[key][1]}


async def work(plan: Plan) -> None:
    writer = Writer(plan.seen)
    publisher = open_publisher(plan.log)
    letters = Keep(publisher, lambda: datetime.now(UTC))
    app = create_app(
        plan.app, plan.log, datadir=Path(plan.folder) / "faust", partitions=plan.partitions, session_seconds=2
    )
    table = None
    if plan.counts:
        table = app.Table(
            "counts",
            default=lambda: [-1, 0],
            partitions=plan.partitions,
        )
    for name in plan.reactions:
        attach(
            app,
            plan.topic,
            name=name,
            reaction=reaction(name, plan, writer, table),
            dead_letters=letters,
            concurrency=plan.concurrency,
        )
    follow_ours(app, plan.topic, lambda ours: writer.write(ours=sorted(ours), of=os.getpid()))
    try:
        await run([app], [], ready=lambda: writer.write(ready=os.getpid()))
    finally:
        publisher.close()


if __name__ == "__main__":
    asyncio.run(work(Plan.from_json(sys.argv[1])))
