"""One letter on its way to a range of numbers: which of its PDUs are written, answered, or to be written again.

A message is SENT when the gateway accepted all its parts, and REFUSED when it refused any of them: the member then sees
nothing, or a torn piece.  It is UNCERTAIN when the fate of any part is unknown, or when some parts are with the gateway
and the rest may not follow.  It is HELD only when the gateway has none of it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from enum import IntEnum

from notifiers.ports import Outcome, State
from notifiers.smpp.template import Template


class Fate(IntEnum):
    """What is known of one PDU, when it is no status of the gateway's."""

    OPEN = -1
    UNCERTAIN = -2
    HELD = -3


class Shipment:
    """Indices number the PDUs, address by address, part by part."""

    def __init__(
        self, template: Template, numbers: Sequence[bytes], may_send: Callable[[], bool], *, urgent: bool
    ) -> None:
        count = len(numbers) * template.parts
        self.urgent = urgent
        self.may_send = may_send
        self.todo: deque[int] = deque(range(count))
        self.attempts: Counter[int] = Counter()
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._template = template
        self._numbers = numbers
        self._statuses: list[int] = [Fate.OPEN] * count
        self._ids: list[bytes] = [b""] * count
        self._open = count
        if not count:
            self.settled.set_result(None)

    @property
    def over(self) -> bool:
        """Nobody waits for it any more."""
        return self.settled.done()

    def take(self, count: int) -> list[int]:
        """The next indices to write."""
        todo = self.todo
        return [todo.popleft() for _ in range(min(count, len(todo)))]

    def render(self, indices: Sequence[int], first: int) -> bytes:
        return self._template.render(self._numbers, indices, first)

    def again(self, indices: Sequence[int]) -> None:
        """The gateway does not have these: they are written again, before the others."""
        self.todo.extendleft(reversed(indices))

    def accepted(self, index: int, message_id: bytes) -> None:
        self._ids[index] = message_id
        self.settle(index, 0)

    def settle(self, index: int, status: int) -> None:
        """The last word on one PDU: a status of the gateway's, or a fate."""
        self._statuses[index] = status
        self._open -= 1
        if not self._open and not self.settled.done():
            self.settled.set_result(None)

    def hold(self) -> None:
        """What is unwritten stays unwritten."""
        while self.todo:
            self.settle(self.todo.popleft(), Fate.HELD)

    def fail(self, error: Exception) -> None:
        """A bug of the caller's comes back to the caller; others' letters go on."""
        self.todo.clear()
        if not self.settled.done():
            self.settled.set_exception(error)

    def outcomes(self, spell: Callable[[bytes], str]) -> list[Outcome]:
        """One outcome a number; `spell` makes an id of what the gateway answered."""
        parts = self._template.parts
        statuses, ids = self._statuses, self._ids
        if parts == 1:
            return [
                _outcome((status,), spell(message_id) if status == 0 else "")
                for status, message_id in zip(statuses, ids, strict=True)
            ]
        # The last part asked for the receipt, so its id stands for the message.
        return [
            _outcome(statuses[first : first + parts], spell(ids[first + parts - 1]))
            for first in range(0, len(statuses), parts)
        ]


_HELD = Outcome(State.HELD)
_UNCERTAIN = Outcome(State.UNCERTAIN)


def _outcome(statuses: Sequence[int], gateway_id: str) -> Outcome:
    if not any(statuses):
        return Outcome(State.SENT, gateway_id)
    refused = next((status for status in statuses if status > 0), None)
    if refused is not None:
        return Outcome(State.REFUSED, status=refused)
    return _HELD if all(status == Fate.HELD for status in statuses) else _UNCERTAIN
