"""What the broadcast controls hold back, as every worker hears it outside its consumer group.

Each may come late, twice and out of order, from a process that others have long replaced; what the gate says does not
depend on it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from schemas.dispatch import MemberErased, OptedOut, SendingPaused, SendingResumed, SendingStopped
from schemas.reader import Message
from schemas.words import Channel, Purpose

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Gate:
    """Asked after every claim and immediately before every write.  `heard_all` is set once the past has been read."""

    def __init__(self) -> None:
        self.heard_all = asyncio.Event()
        self.closed = False  # this worker ends: nothing more is claimed
        self._stopped: set[str] = set()
        self._running: dict[str, asyncio.Event] = {}
        self._held_or_let_go: dict[str, datetime] = {}  # when the newest pause or resume heard so far was decided
        self._silent: defaultdict[int, set[tuple[Purpose | None, Channel | None]]] = defaultdict(set)
        self._erased: set[int] = set()

    async def listen(self, controls: AsyncIterator[Message]) -> None:
        async for message in controls:
            self.hear(message)

    def hear(self, message: Message) -> None:
        match message:
            case SendingStopped():
                self._stopped.add(message.appeal_id)
                self._running_of(message.appeal_id).set()
            case SendingPaused() if self._is_newest(message):
                self._running_of(message.appeal_id).clear()
            case SendingResumed() if self._is_newest(message):
                self._running_of(message.appeal_id).set()
            case OptedOut():
                self._silent[message.member_id].add((message.purpose, message.channel))
            case MemberErased():
                self._erased.add(message.member_id)
            case _:
                return

    def stopped(self, appeal_id: str) -> bool:
        return appeal_id in self._stopped

    def paused(self, appeal_id: str) -> bool:
        return not self._running_of(appeal_id).is_set()

    async def until_running(self, appeal_id: str) -> None:
        """Wait while the appeal is paused; a stop ends the wait too."""
        await self._running_of(appeal_id).wait()

    def silent(self, members: Sequence[int], purpose: Purpose | None, channel: Channel) -> set[int]:
        """Those of these members who, since the claim was read, have been erased or have asked to hear no more of this.

        Without a purpose it is an answer to what they wrote themselves, which no opt-out holds back.
        """
        found = self._erased.intersection(members) if self._erased else set()
        if purpose is not None and self._silent:
            found |= {
                member
                for member in self._silent.keys() & members
                for of, by in self._silent[member]
                if (of is None or of == purpose) and (by is None or by == channel)
            }
        return found

    def _is_newest(self, message: SendingPaused | SendingResumed) -> bool:
        """Whether it holds, and is not overtaken by a stop or by one that was decided later."""
        decided_at = message.decided_at or _LONG_AGO
        newest = self._held_or_let_go.get(message.appeal_id, _LONG_AGO)
        if self.stopped(message.appeal_id) or decided_at < newest:
            return False
        self._held_or_let_go[message.appeal_id] = decided_at
        return True

    def _running_of(self, appeal_id: str) -> asyncio.Event:
        if appeal_id not in self._running:
            self._running[appeal_id] = asyncio.Event()
            self._running[appeal_id].set()
        return self._running[appeal_id]
