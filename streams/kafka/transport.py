"""Kafka as a Faust transport that skips no event.

Found by trying: what Faust's consumer has fetched while a rebalance holds its flow up it drops, and seeks back to what has been
committed.  Where nothing has been committed yet that seek does nothing, and where it fails or comes too early nobody notices:
the next event is taken for the one that is due, and what lies between for done.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import structlog
from faust.transport.drivers import aiokafka
from faust.types import TP
from prometheus_client import Counter

LOG = structlog.get_logger("muster.streams")
SKIPPED = Counter("muster_streams_skipped_total", "Events that were skipped and have been asked for again", ["topic"])


class Consumer(aiokafka.Consumer):  # type: ignore[misc]
    """Knows of each partition which offset is due."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._due: dict[TP, int] = {}
        self._gone_back: dict[TP, int] = {}
        self._first: dict[TP, int] = {}  # delivered since the last seek
        self._flow_stops = 0

    def stop_flow(self) -> None:
        self._flow_stops += 1
        super().stop_flow()

    async def perform_seek(self) -> None:
        """To what is committed, and to the beginning where nothing is; nothing is handed on meanwhile."""
        # An app with tables seeks while its flow goes on: what came in between would be taken for what is due.
        flowed = self.flow_active
        self.stop_flow()
        stops = self._flow_stops
        try:
            await super().perform_seek()
            followed = {tp: self._committed_offset[tp] for tp in self.assignment() if not self._is_changelog_tp(tp)}
            starts = await self.earliest_offsets(*[tp for tp, committed in followed.items() if not committed])
            if starts:
                await self.seek_wait(starts)
            self._due = {tp: committed or starts[tp] for tp, committed in followed.items()}
            self._gone_back = {}
            self._first = {}
        finally:
            if flowed and stops == self._flow_stops:  # nobody else has stopped it meanwhile
                self.resume_flow()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        """What has been fetched; what comes behind skipped events waits until these have been asked for again."""
        ahead: set[TP] = set()
        async for tp, message in super().getmany(timeout):
            if tp in ahead:
                continue
            if self._skipped(tp, message.offset):
                ahead.add(tp)
                await self._go_back(tp, message.offset)
                continue
            self._due[tp] = max(self._due.get(tp, 0), message.offset + 1)
            self._first.setdefault(tp, message.offset)
            yield tp, message
        if self.flow_active and not self.should_stop:
            # What was dropped at the end of a partition no later event would tell of.
            for tp in tuple(self._due):
                fetched = self._fetched(tp)
                if fetched is not None and self._skipped(tp, fetched):
                    await self._go_back(tp, fetched)

    def _skipped(self, tp: TP, offset: int) -> bool:
        """Whether others are due before this one.  Those that are not there when they have been asked for again the log no
        longer has.
        """  # noqa: D205
        due = self._due.get(tp, offset)
        return offset > due and self._gone_back.get(tp) != due

    def _fetched(self, tp: TP) -> int | None:
        """The offset up to which everything has been fetched; none for a partition that is no longer ours."""
        subscription = self._thread._ensure_consumer()._subscription  # noqa: SLF001 - `position` would be awaited in another thread
        if not subscription.is_assigned(tp):
            return None
        return subscription.subscription.assignment.state_value(tp)._position  # type: ignore[no-any-return]  # noqa: SLF001

    async def _go_back(self, tp: TP, offset: int) -> None:
        due = self._due[tp]
        LOG.error("events were skipped: going back", topic=tp.topic, partition=tp.partition, due=due)
        SKIPPED.labels(topic=tp.topic).inc(offset - due)
        # The partition may just have been taken from us; else it is tried again.
        with suppress(aiokafka.IllegalStateError, TimeoutError):
            await self.seek_wait({tp: due})
            self._gone_back[tp] = due

    async def commit_and_end_transactions(self) -> None:
        """Before it stops.  When the app is broken the thread that commits ends with it, and would never answer: what it has
        acknowledged lately comes again.
        """  # noqa: D205
        if not self.app._crashed.is_set():  # noqa: SLF001 - Faust has no other way to say so
            await super().commit_and_end_transactions()

    def _new_offset(self, tp: TP) -> int | None:
        """Where nothing is committed Faust would go by whatever is acknowledged first, also by what came before a rebalance."""
        if not self._committed_offset[tp]:
            acked = self._acked[tp]
            if acked and (tp not in self._first or min(acked) > self._first[tp]):
                return None
        return super()._new_offset(tp)  # type: ignore[no-any-return]


class Transport(aiokafka.Transport):  # type: ignore[misc]
    """`kafka://host:port` for Faust."""

    Consumer = Consumer
