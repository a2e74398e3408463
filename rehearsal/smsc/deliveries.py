"""deliver_sm on their way to the client: a window per bind, and again after 1, 5 and 10 minutes of appeal time.

At least once: what the client acknowledged and we did not hear of comes again, as it does from real gateways.
"""

import os
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehearsal.smsc.agenda import Agenda

RETRY_AFTER = (60.0, 300.0, 600.0)  # seconds of appeal time, as Aliyun pushes members' messages


@dataclass(slots=True)
class Delivery:
    """One deliver_sm; `key` is the same after a restart."""

    key: int
    body: bytes
    urgent: bool
    failures: int = 0


class Link(Protocol):
    """A bind that takes deliver_sm."""

    def send_deliveries(self, bodies: Sequence[bytes]) -> list[int]:
        """Write them at once; their sequence numbers."""


class Acknowledged:
    """Remembers across restarts which deliver_sm the client has taken."""

    def __init__(self, path: Path | None) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600) if path else None
        known = array("Q")
        if self._fd is not None:
            octets = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
            known.frombytes(octets[: len(octets) // known.itemsize * known.itemsize])
        self.before = frozenset(known)

    def add(self, key: int) -> None:
        if self._fd is not None:
            os.write(self._fd, array("Q", (key,)).tobytes())

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class Deliveries:
    """Queues, windows, time-outs and retries over all receiving binds."""

    def __init__(
        self,
        agenda: Agenda,
        acknowledged: Acknowledged,
        appeal_time: Callable[[], float],
        *,
        window: int,
        timeout: float,
    ) -> None:
        self.acknowledged = 0
        self.given_up = 0
        self._agenda = agenda
        self._journal = acknowledged
        self._appeal_time = appeal_time
        self._window = window
        self._timeout = timeout
        self._urgent: deque[Delivery] = deque()
        self._patient: deque[Delivery] = deque()
        self._flying: dict[Link, dict[int, tuple[Delivery, float]]] = {}

    @property
    def waiting(self) -> int:
        return len(self._urgent) + len(self._patient) + sum(map(len, self._flying.values()))

    def offer(self, delivery: Delivery) -> None:
        """Send it as soon as a bind has room, unless the client took it before a restart."""
        if delivery.key not in self._journal.before:
            (self._urgent if delivery.urgent else self._patient).append(delivery)

    def attach(self, link: Link) -> None:
        self._flying[link] = {}

    def detach(self, link: Link) -> None:
        """The bind is gone: what it had not acknowledged is tried again later."""
        for delivery, _ in self._flying.pop(link, {}).values():
            self._failed(delivery)

    def answered(self, link: Link, sequence: int, *, ok: bool) -> None:
        delivery, _ = self._flying.get(link, {}).pop(sequence, (None, 0.0))
        if delivery is None:
            return
        if ok:
            self.acknowledged += 1
            self._journal.add(delivery.key)
        else:
            self._failed(delivery)

    def pump(self) -> None:
        """Fill the windows of all binds, members' messages before receipts."""
        for link, flying in list(self._flying.items()):
            room = self._window - len(flying)
            batch = [self._pop() for _ in range(min(room, len(self._urgent) + len(self._patient)))]
            if batch:
                sent = time.monotonic()
                sequences = link.send_deliveries([delivery.body for delivery in batch])
                flying.update(zip(sequences, ((delivery, sent) for delivery in batch), strict=True))

    def give_up_waiting(self) -> None:
        """What has not been answered for too long counts as not taken."""
        oldest = time.monotonic() - self._timeout
        for flying in self._flying.values():
            for sequence in [sequence for sequence, (_, sent) in flying.items() if sent < oldest]:
                self._failed(flying.pop(sequence)[0])

    def _pop(self) -> Delivery:
        return (self._urgent or self._patient).popleft()

    def _failed(self, delivery: Delivery) -> None:
        if delivery.failures == len(RETRY_AFTER):
            self.given_up += 1
            return
        due = self._appeal_time() + RETRY_AFTER[delivery.failures]
        delivery.failures += 1
        self._agenda.note(due, lambda: self.offer(delivery))
