"""The connections at work: each takes letters from the lanes and hands them over, one at a time."""

import asyncio
import ssl
from typing import assert_never

import aiosmtplib
import structlog

from notifiers.email.metrics import EmailMetrics
from notifiers.email.pace import Brake, Clock, TokenBucket
from notifiers.email.parcels import Lanes, Parcel
from notifiers.email.settings import EmailSettings
from notifiers.email.verdicts import Fate, Stage
from notifiers.email.wire import Wire, open_wire
from notifiers.ports import State

LOG = structlog.get_logger("muster.email")


class Carriage:
    """What all connections share."""

    def __init__(
        self,
        settings: EmailSettings,
        *,
        lanes: Lanes,
        brake: Brake,
        bucket: TokenBucket,
        metrics: EmailMetrics,
        clock: Clock,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.settings = settings
        self.lanes = lanes
        self.brake = brake
        self.bucket = bucket
        self.metrics = metrics
        self.clock = clock
        self.tls = tls
        self.sent = 0
        self.closing = False


class Carrier:
    """One connection and the loop that works it."""

    def __init__(self, shared: Carriage) -> None:
        self._shared = shared
        self._wire: Wire | None = None

    async def run(self) -> None:
        """Carry until the carriage closes."""
        lanes = self._shared.lanes
        try:
            while not self._shared.closing:
                try:
                    async with asyncio.timeout(self._shared.settings.idle_seconds if self._wire else None):
                        await lanes.claim()
                except TimeoutError:
                    await self._hang_up()
                    continue
                await self._carry_one()
        finally:
            self._drop()

    async def _carry_one(self) -> None:
        shared = self._shared
        wire = await self._ready()
        if wire is None:
            shared.lanes.take()
            return
        await shared.bucket.take()
        # Only now is a letter chosen, so that an urgent one that came meanwhile goes first.
        parcel = shared.lanes.take()
        if parcel is None or parcel.settled:
            shared.bucket.give_back()
        elif not parcel.may_send():
            shared.bucket.give_back()
            parcel.settle(State.HELD)
        else:
            await self._exchange(wire, parcel)

    async def _ready(self) -> Wire | None:
        """An open session as soon as there can be one, or None when nothing is left to send."""
        shared = self._shared
        while not shared.closing:
            await shared.brake.passed()
            if self._wire and self._wire.usable:
                return self._wire
            self._drop()
            if shared.lanes.idle():
                return None
            try:
                self._wire = await open_wire(shared.settings, shared.tls)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
                shared.metrics.connect_failed()
                LOG.warning("email_unreachable", error=type(exc).__name__, status=getattr(exc, "code", None))
                shared.brake.trouble()
            else:
                shared.metrics.connections.inc()
        return None

    async def _exchange(self, wire: Wire, parcel: Parcel) -> None:
        shared = self._shared
        parcel.under_way = True
        began = shared.clock()
        try:
            fate, stage, status = await wire.exchange(parcel)
        except asyncio.CancelledError:
            wire.abort()
            parcel.settle(State.UNCERTAIN if parcel.written else State.HELD)
            raise
        shared.metrics.exchange.observe(shared.clock() - began)
        self._conclude(parcel, fate, stage, status)

    def _conclude(self, parcel: Parcel, fate: Fate, stage: Stage, status: int) -> None:
        match fate:
            case Fate.SENT:
                self._shared.sent += 1
                self._shared.brake.release()
                parcel.settle(State.SENT)
            case Fate.REFUSED:
                self._shared.brake.release()
                parcel.settle(State.REFUSED, status)
            case Fate.GONE:
                self._shared.brake.release()
                parcel.settle(State.REFUSED, status, bad_address=True)
            case Fate.HELD:
                parcel.settle(State.HELD)
            case Fate.UNCERTAIN:
                self._shared.brake.trouble()
                parcel.settle(State.UNCERTAIN)
            case Fate.LATER | Fate.STUCK:
                self._postpone(parcel, fate, status)
            case Fate.BUSY | Fate.LOST:
                LOG.warning("email_waits", fate=fate.value, stage=stage.value, status=status)
                self._shared.metrics.repeated(fate)
                self._shared.brake.trouble()
                self._shared.lanes.put_back(parcel)
            case _:
                assert_never(fate)

    def _postpone(self, parcel: Parcel, fate: Fate, status: int) -> None:
        """Try this letter again after a while, unless it has had its tries."""
        shared = self._shared
        if fate is Fate.LATER or shared.sent > parcel.seen_sent:
            # Others get through, so the reason lies with this letter.
            parcel.tries += 1
        else:
            shared.brake.trouble()
        parcel.seen_sent = shared.sent
        if parcel.tries >= shared.settings.attempts:
            parcel.settle(State.REFUSED, status)
            return
        shared.metrics.repeated(fate)
        pause = shared.brake.pause_after(max(1, parcel.tries))
        asyncio.get_running_loop().call_later(pause, shared.lanes.put, parcel)

    async def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._shared.metrics.connections.dec()
            await wire.close()

    def _drop(self) -> None:
        if self._wire is not None:
            self._shared.metrics.connections.dec()
            self._wire.abort()
            self._wire = None
