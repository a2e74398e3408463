"""The express: an acknowledgement leaves as soon as the reply that it answers has been read, before the log brings the order.

The order goes to the log all the same, into a partition that this worker follows, and is sent under that partition's lease: so
all that holds for the urgent lane holds here.  Whoever follows the partition when the log brings the order finds it done, or
does it; and if this worker dies in between, its successor finds the claim.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from agents.dispatch.lane import Lane
from schemas.dispatch import AnswerReply
from streams.errors import Busy
from streams.inbox import Delivery

LOG = structlog.get_logger("muster.express")
TOPIC = "dispatch-urgent"
_OVERDUE = 5.0  # seconds after which the log should have brought an order back


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that the log has not brought yet: whether it could be sent, where it comes, and since when it is awaited."""

    done: asyncio.Task[bool]
    partition: int
    at: float


class Express:
    """The reaction to the urgent topic: the lane, but for what has been sent already."""

    def __init__(self, lane: Lane, *, now: Callable[[], float] = time.monotonic) -> None:
        self._lane = lane
        self._now = now
        self._ours: list[int] = []
        self._sent: dict[str, Sent] = {}  # by reply, the oldest first

    def follow(self, partitions: Collection[int]) -> None:
        """From now on these are this worker's, and no others: what was sent of those the log brings to somebody else."""
        self._ours = sorted(partitions)
        self._sent = {reply_id: sent for reply_id, sent in self._sent.items() if sent.partition in self._ours}

    @property
    def partition(self) -> int | None:
        """The one to which orders go that are to be sent here at once; none as long as there is none.

        Nor is there one while the log brings nothing: it may have given our partitions to others, who then wait for the leases.
        """
        oldest = next(iter(self._sent.values()), None)
        if not self._ours or (oldest is not None and self._now() - oldest.at > _OVERDUE):
            return None
        return self._ours[0]

    def send(self, order: AnswerReply, partition: int) -> None:
        """Begin to send an order that has been committed to this partition, if it is still ours.  What cannot be done here the
        log brings again.
        """  # noqa: D205
        if partition in self._ours:
            done = asyncio.create_task(self._send(order, partition))
            self._sent[order.reply_id] = Sent(done, partition, self._now())

    async def _send(self, order: AnswerReply, partition: int) -> bool:
        try:
            await self._lane.send(order, f"{TOPIC}/{partition}")
        except Busy:
            return False
        except Exception:
            LOG.exception("the log brings an order again that could not be sent at once", reply=order.reply_id)
            return False
        return True

    async def __call__(self, delivery: Delivery) -> None:
        sent = self._sent.pop(delivery.message.reply_id, None) if isinstance(delivery.message, AnswerReply) else None
        if sent is None or not await asyncio.shield(sent.done):
            await self._lane(delivery)
