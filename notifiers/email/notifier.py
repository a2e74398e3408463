"""The e-mail channel, outwards: `ports.Notifier` over a few reused SMTP connections."""

import asyncio
import random
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from notifiers.email.carrier import Carriage, Carrier
from notifiers.email.keys import NONCE_BYTES, MessageKeys, small
from notifiers.email.links import OptOutLinks
from notifiers.email.metrics import EmailMetrics
from notifiers.email.pace import Brake, Clock, LetterWindow, Sleep, TokenBucket
from notifiers.email.parcels import Batch, Lanes, Parcel, hold
from notifiers.email.rendering import Renderer, deliverable
from notifiers.email.settings import EmailSettings
from notifiers.ports import Letter, Outcome, Outcomes, Progress, Silent, State, Window, nobody

ASKED_EVERY = 0.1  # seconds between two questions of `may_send` while letters wait for a connection
GRACE = 5.0  # seconds that letters under way get when the channel closes
BAD_ADDRESS = 553


def fresh_nonce() -> str:
    """The name of a letter: 64 random bits."""
    return small(secrets.token_bytes(NONCE_BYTES))


class EmailNotifier:
    """Sends letters.  A context manager: connections are opened when first needed and closed at its end."""

    def __init__(
        self,
        settings: EmailSettings,
        metrics: EmailMetrics,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        nonce: Callable[[], str] = fresh_nonce,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        secret = settings.secret.get_secret_value().encode()
        self._renderer = Renderer(settings, MessageKeys(secret, settings.domain), OptOutLinks(secret))
        self._window = LetterWindow(settings.window)
        self._metrics = metrics
        self._now = now
        self._nonce = nonce
        self._lanes = Lanes()
        self._carriage = Carriage(
            settings,
            lanes=self._lanes,
            brake=Brake(settings, clock=clock, sleep=sleep, chance=random.Random()),  # noqa: S311 - spreads pauses
            bucket=TokenBucket(settings.rate, clock=clock, sleep=sleep),
            metrics=metrics,
            clock=clock,
            tls=ssl.create_default_context(cafile=settings.ca_file) if settings.starttls else None,
        )
        self._carriers: list[asyncio.Task[None]] = []

    @property
    def window(self) -> Window:
        return self._window

    @property
    def keeps_progress(self) -> bool:
        return False

    async def __aenter__(self) -> Self:
        self._carriers = [
            asyncio.create_task(Carrier(self._carriage).run(), name=f"email connection {number}")
            for number in range(self._carriage.settings.connections)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hold what waits, give what is under way a moment, then hang up."""
        self._carriage.closing = True
        self._lanes.wake(len(self._carriers))
        if self._carriers:
            _, late = await asyncio.wait(self._carriers, timeout=GRACE)
            for carrier in late:
                carrier.cancel()
            await asyncio.gather(*self._carriers, return_exceptions=True)

    async def send(
        self,
        letter: Letter,
        addresses: Sequence[str],
        may_send: Callable[[], bool],
        *,
        urgent: bool = False,
        members: Sequence[int] = (),
        silent: Silent = nobody,
        progress: Progress | None = None,  # noqa: ARG002 - not kept here
    ) -> Outcomes:
        """One outcome per address, in order.  The gateway id is the letter's nonce, by which a bounce names it.

        A refusal of the sender, a full queue, a throttle and a missing server are waited out.  A mailbox that is busy
        for now is tried `attempts` times and then refused with the server's 4xx code.
        """
        batch = Batch(len(addresses), may_send, silent)
        parcels = self._parcels(letter, addresses, members, batch, urgent=urgent)
        for parcel in parcels:
            self._lanes.put(parcel)
        try:
            while not await batch.wait(ASKED_EVERY):
                self._require_carriers()
                if self._carriage.closing or not may_send():
                    hold(parcels)
        finally:
            # When we are cancelled, what nobody has taken must not leave any more.
            hold(parcels)
        for outcome in batch.outcomes():
            self._metrics.settled(outcome.state)
        return Outcomes.of(batch.outcomes())

    def _require_carriers(self) -> None:
        """A connection never ends by itself: one that did met a bug, which must not look like a slow server."""
        if not self._carriers:
            raise RuntimeError("enter the notifier before sending: async with EmailNotifier(...)")
        for carrier in self._carriers:
            if carrier.done() and not self._carriage.closing:
                carrier.result()

    def _parcels(
        self, letter: Letter, addresses: Sequence[str], members: Sequence[int], batch: Batch, *, urgent: bool
    ) -> list[Parcel]:
        if members and len(members) != len(addresses):
            raise ValueError("members and addresses must run in parallel")
        rendered = self._renderer.render(letter, self._now())
        parcels = []
        for place, given in enumerate(addresses):
            address = deliverable(given)
            if address is None:
                batch.settle(place, Outcome(State.REFUSED, status=BAD_ADDRESS, bad_address=True))
                continue
            nonce = self._nonce()
            sender, recipient = self._renderer.envelope(address, nonce)
            member = members[place] if members else 0
            content = self._renderer.content(rendered, address, member, nonce)
            parcels.append(Parcel(batch, place, nonce, sender, recipient, content, member, urgent=urgent))
        return parcels
