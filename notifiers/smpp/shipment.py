"""One letter on its way to a range of numbers: which of its PDUs are written, answered, or to be written again.

A message is SENT when the gateway accepted all its parts, and REFUSED when it refused any of them: the member then sees
nothing, or a torn piece.  It is UNCERTAIN when the fate of any part is unknown, or when some parts are with the gateway
and the rest may not follow.  It is HELD only when the gateway has none of it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from notifiers.ports import Outcome, Outcomes, Progress, Silent, State, nobody
from notifiers.smpp.template import Template

# Their names in SMPP 3.4: ESME_RINVDSTADR, ESME_RINVDSTTON, ESME_RINVDSTNPI, ESME_RX_P_APPN, ESME_RX_R_APPN (domain.md, 3.3)
REFUSES_THE_NUMBER: Final = frozenset({0x0B, 0x50, 0x51, 0x65, 0x66})


class Fate(IntEnum):
    """What is known of one PDU, when it is no status of the gateway's."""

    OPEN = -1
    UNCERTAIN = -2
    HELD = -3


@dataclass(frozen=True, slots=True)
class Permission:
    """Asked immediately before every write: may anything leave, and who of these members must not be written to."""

    may_send: Callable[[], bool]
    silent: Silent = nobody
    members: Sequence[int] = ()  # parallel to the numbers; empty: nobody is known


class Shipment:
    """Indices number the PDUs, address by address, part by part.

    `spell` makes ids of so many bodies of one length, one after the other, with which the gateway answered; `progress`, by
    the place of a number, survives this process.
    """

    def __init__(
        self,
        template: Template,
        numbers: Sequence[bytes],
        permission: Permission,
        *,
        urgent: bool,
        spell: Callable[[bytes, int], list[str]],
        progress: Progress | None = None,
    ) -> None:
        count = len(numbers) * template.parts
        self.urgent = urgent
        self.progress = progress
        self.spell = spell
        self.may_send = permission.may_send
        self._permission = permission
        self.attempts: Counter[int] = Counter()
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._again: deque[int] = deque()
        self._fresh = range(count)  # never written yet
        self._parts = template.parts
        self._sheet = template.to(numbers)
        self._accepted: Counter[int] = Counter()  # parts of longer messages whose progress is kept
        self._statuses: list[int] = [Fate.OPEN] * count
        self._ids = [""] * count
        self._open = count
        if not count:
            self.settled.set_result(None)

    @property
    def unwritten(self) -> int:
        """PDUs that are to be written, or to be written again."""
        return len(self._fresh) + len(self._again)

    @property
    def over(self) -> bool:
        """Nobody waits for it any more."""
        return self.settled.done()

    def take(self, count: int) -> Sequence[int]:
        """The next indices to write, in one unbroken run where nothing is written again; whoever wants to hear no more is
        left out.  May be empty while more is unwritten.
        """  # noqa: D205
        indices = self._next(count)
        if not self._permission.members:
            return indices
        parts, members = self._parts, self._permission.members
        if parts == 1 and isinstance(indices, range):
            asked = members[indices.start : indices.stop]
        else:
            asked = [members[index // parts] for index in indices]
        silent = self._permission.silent(asked)
        if not silent:
            return indices
        kept = []
        for index in indices:
            # A message of which a part has left goes on: half of it would help nobody.
            begun = index % parts and self._statuses[index - index % parts] != Fate.HELD
            if begun or members[index // parts] not in silent:
                kept.append(index)
            else:
                self.settle(index, Fate.HELD)
        return kept

    def _next(self, count: int) -> Sequence[int]:
        again = self._again
        if again:
            return [again.popleft() for _ in range(min(count, len(again)))]
        taken, self._fresh = self._fresh[:count], self._fresh[count:]
        return taken

    def depart(self, indices: Sequence[int], ask: Callable[[], bool]) -> bool:
        """Whether these may leave this very moment: that they may have left is kept first, and only then is asked."""
        if self.progress is None:
            return True
        parts = self._parts
        try:
            self.progress.note(
                indices if parts == 1 else sorted({index // parts for index in indices}), State.UNCERTAIN
            )
        except OSError:
            allowed = False
        else:
            allowed = ask()
            if not allowed:
                self._not_there(indices)
        if not allowed:
            for index in indices:
                self.settle(index, Fate.HELD)
        return allowed

    def note(self, indices: Sequence[int], ids: list[str]) -> None:
        """The gateway has accepted these; it is kept before anything more leaves in their places."""
        if self.progress is None:
            return
        if self._parts > 1:
            indices, ids = self._completed(indices, ids)
        with suppress(OSError):  # they stay uncertain then, should this process die
            self.progress.note(indices, State.SENT, ids)

    def _completed(self, indices: Sequence[int], ids: list[str]) -> tuple[list[int], list[str]]:
        """The messages of which all parts are accepted with these, and the ids of their last parts."""
        parts = self._parts
        for index, gateway_id in zip(indices, ids, strict=True):
            self._ids[index] = gateway_id
            self._accepted[index // parts] += 1
        places = [place for place in sorted({index // parts for index in indices}) if self._accepted[place] == parts]
        return places, [self._ids[(place + 1) * parts - 1] for place in places]

    def _not_there(self, indices: Sequence[int]) -> None:
        """The gateway does not have these; of a longer message it may have other parts."""
        if self.progress is not None and self._parts == 1:
            with suppress(OSError):
                self.progress.note(indices, State.HELD)

    def render(self, indices: Sequence[int], first: int) -> bytes:
        return self._sheet.render(indices, first)

    def again(self, indices: Sequence[int]) -> None:
        """The gateway does not have these: they are written again, before the others."""
        self._not_there(indices)
        self._again.extendleft(reversed(indices))

    def accepted(self, index: int, message_id: str) -> None:
        self._ids[index] = message_id
        self.settle(index, 0)

    def accepted_run(self, indices: range, message_ids: list[str]) -> None:
        """All PDUs of a run: they come by the hundred thousand."""
        first, last = indices.start, indices.stop
        self._ids[first:last] = message_ids
        self._statuses[first:last] = [0] * len(indices)
        self._close(len(indices))

    def settle(self, index: int, status: int) -> None:
        """The last word on one PDU: a status of the gateway's, or a fate."""
        if status > 0 and self.progress is not None:
            with suppress(OSError):
                self.progress.note([index // self._parts], State.REFUSED)
        self._statuses[index] = status
        self._close(1)

    def hold(self) -> None:
        """What is unwritten stays unwritten."""
        while indices := self._next(self.unwritten):
            for index in indices:
                self.settle(index, Fate.HELD)

    def fail(self, error: Exception) -> None:
        """A bug of the caller's comes back to the caller; others' letters go on."""
        self._again.clear()
        self._fresh = range(0)
        if not self.settled.done():
            self.settled.set_exception(error)

    def outcomes(self) -> Outcomes:
        """One outcome a number."""
        parts, statuses = self._parts, self._statuses
        # The last part asked for the receipt, so its id stands for the message.
        ids = self._ids[parts - 1 :: parts]
        if not any(statuses):
            return Outcomes(bytes([State.SENT]) * len(ids), ids, {})
        return Outcomes.of(
            [
                _outcome(statuses[first : first + parts], gateway_id)
                for first, gateway_id in zip(range(0, len(statuses), parts), ids, strict=True)
            ]
        )

    def _close(self, count: int) -> None:
        self._open -= count
        if not self._open and not self.settled.done():
            self.settled.set_result(None)


_HELD = Outcome(State.HELD)
_UNCERTAIN = Outcome(State.UNCERTAIN)


def _outcome(statuses: Sequence[int], gateway_id: str) -> Outcome:
    if not any(statuses):
        return Outcome(State.SENT, gateway_id)
    refused = next((status for status in statuses if status > 0), None)
    if refused is not None:
        return Outcome(State.REFUSED, status=refused, bad_address=refused in REFUSES_THE_NUMBER)
    return _HELD if all(status == Fate.HELD for status in statuses) else _UNCERTAIN
