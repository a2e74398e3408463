"""How a reaction is fed: in order or side by side, tried again while it is busy, acknowledged in offset order.

Bad, busy and broken are three things.  A bad event goes to the dead letters; a busy reaction gets the same event again
after a pause, and so does one that cannot reach the log; anything else is a bug and ends the worker with nothing of it
acknowledged.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import faust
import structlog
from prometheus_client import Counter

from streams.acks import InOrder
from streams.errors import Busy, LogUnreachable, Unprocessable
from streams.inbox import DeadLetters, Delivery, Outcome, Raw, open_letter, raw_of
from streams.turns import Turns

LOG = structlog.get_logger("muster.streams")
DONE = Counter("muster_streams_events_total", "Events that a reaction is done with", ["reaction", "outcome"])
RETRIED = Counter("muster_streams_retries_total", "Times that a busy reaction was tried again", ["reaction"])

Reaction = Callable[[Delivery], Awaitable[None]]
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
_IN_A_ROW = 20
_OF_LAST = 200
_SHARE = 0.25


class _Revoked(Exception):
    """The event's partition was taken from us meanwhile: whoever has it now gets the event again."""


class TooManyDeadLetters(Exception):
    """So many events in a row can only be our own mistake: stop loudly."""


class Feeder:
    """Feeds one reaction from one stream."""

    def __init__(
        self,
        name: str,
        reaction: Reaction,
        dead_letters: DeadLetters,
        *,
        concurrency: int,
        broken: Callable[[BaseException], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._reaction = reaction
        self._dead_letters = dead_letters
        self._turns = Turns(concurrency)
        self._one_by_one = concurrency == 1
        self._broken = broken
        self._sleep = sleep
        self._orders: defaultdict[tuple[str, int], InOrder] = defaultdict(InOrder)
        self._running: set[asyncio.Task[None]] = set()
        self._lately: deque[bool] = deque(maxlen=_OF_LAST)

    async def run(self, stream: Any) -> None:  # noqa: ANN401 - a Faust stream
        """Take events until the stream ends; what is under way is finished or cancelled with it."""
        try:
            async for event in stream.noack().events():
                raw = raw_of(event)
                order = self._orders[raw.topic, raw.partition]
                done = order.began(raw.offset, event.ack)
                if self._one_by_one:
                    await self._handle(raw, order, done)
                else:
                    await self._turns.put(order, partial(self._begin, raw, order, done))
        finally:
            self._orders.clear()
            self._turns.clear()
            for task in tuple(self._running):
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def revoked(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Their events come again, from the last commit on, here or elsewhere.

        A reaction under way may end; one that is busy is not tried again, or it would keep its place for ever.
        """
        for partition in partitions:
            order = self._orders.pop(partition, None)
            if order is not None:
                self._turns.drop(order)

    def _begin(self, raw: Raw, order: InOrder, done: Callable[[], None]) -> None:
        task = asyncio.create_task(self._handle(raw, order, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: self._turns.end(order))

    async def _handle(self, raw: Raw, order: InOrder, done: Callable[[], None]) -> None:
        try:
            outcome = await self._react(raw, order)
            self._judge(bad=outcome is Outcome.DEAD_LETTER)
        except asyncio.CancelledError:
            raise
        except _Revoked:
            return
        except Exception as exc:
            LOG.exception("a reaction failed", **self._about(raw), offset=raw.offset)
            DONE.labels(reaction=self._name, outcome="failed").inc()
            await self._broken(exc)
            await asyncio.Event().wait()  # the worker is ending: nothing more is taken, nothing acknowledged
        DONE.labels(reaction=self._name, outcome=outcome.value).inc()
        done()

    async def _react(self, raw: Raw, order: InOrder) -> Outcome:
        """What became of the event, tried again for as long as the reaction is busy or the log is away."""
        attempt = 0
        while True:
            try:
                return await self._try(raw)
            except (Busy, LogUnreachable) as exc:
                if attempt % 20 == 0:
                    LOG.warning("a reaction waits", **self._about(raw), reason=str(exc))
                RETRIED.labels(reaction=self._name).inc()
                await self._sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
                if self._orders.get((raw.topic, raw.partition)) is not order:
                    raise _Revoked from exc

    async def _try(self, raw: Raw) -> Outcome:
        opened = await open_letter(raw, self._dead_letters)
        if isinstance(opened, Outcome):
            return opened
        try:
            await self._reaction(opened)
        except Unprocessable as exc:
            await self._dead_letters.keep(raw, str(exc))
            return Outcome.DEAD_LETTER
        return Outcome.DONE

    def _about(self, raw: Raw) -> dict[str, str]:
        """The key is the id of an appeal, a batch, a reply or a member."""
        return {"reaction": self._name, "topic": raw.topic, "key": (raw.key or b"").decode("utf-8", "replace")}

    def _judge(self, *, bad: bool) -> None:
        self._lately.append(bad)
        row = list(self._lately)[-_IN_A_ROW:]
        all_bad = len(row) == _IN_A_ROW and all(row)
        if all_bad or (len(self._lately) == _OF_LAST and sum(self._lately) > _SHARE * _OF_LAST):
            raise TooManyDeadLetters(f"{sum(self._lately)} of the last {len(self._lately)} events could not be used")


def attach(
    app: faust.App,
    topic: str,
    *,
    name: str,
    reaction: Reaction,
    dead_letters: DeadLetters,
    concurrency: int = 1,
) -> None:
    """Let this reaction follow that topic in this app.  Events of a partition begin in order; more than one at a time
    with `concurrency` (see `streams.turns`), and are acknowledged in order all the same.
    """  # noqa: D205
    feeder = Feeder(name, reaction, dead_letters, concurrency=concurrency, broken=app.crash)

    async def follow(stream: Any) -> None:  # noqa: ANN401 - a Faust stream
        await feeder.run(stream)

    async def revoked(_: faust.App, partitions: Iterable[tuple[str, int]], **__: object) -> None:
        feeder.revoked(partitions)

    app.on_partitions_revoked.connect(revoked)

    app.agent(
        app.topic(topic, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw"), name=name
    )(follow)
