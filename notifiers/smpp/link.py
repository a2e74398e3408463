"""Keeps one bind alive: connects, binds, asks whether the gateway still lives, and begins again when it is gone."""

import asyncio
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import structlog

from notifiers.smpp.codec import Bind
from notifiers.smpp.metrics import SMSMetrics
from notifiers.smpp.session import Receive, ReceiveReceipts, Session
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.timing import Backoff, Timing
from notifiers.smpp.traffic import Traffic
from notifiers.smpp.words import Command

LOG = structlog.get_logger("muster.sms")
# A gateway that accepts a bind and hangs up at once is trouble too: pauses shrink only after a while of peace.
STEADY_SECONDS: Final = 5.0


class BindRefused(Exception):
    """The gateway answered the bind with this status: wrong name or password, too many binds, ..."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the gateway refused the bind with command_status {status:#x}")
        self.status = status


class Role(IntEnum):
    """What a link is for; the numbers are SMPP's commands."""

    RECEIVER = Command.BIND_RECEIVER
    TRANSMITTER = Command.BIND_TRANSMITTER
    TRANSCEIVER = Command.BIND_TRANSCEIVER


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all links of a gateway share."""

    settings: SMSSettings
    traffic: Traffic
    receive: Receive
    metrics: SMSMetrics
    timing: Timing
    receive_receipts: ReceiveReceipts | None = None


async def open_session(around: Surroundings, role: Role) -> Session:
    """Connect and bind.  Raises OSError (TimeoutError included) or `BindRefused`."""
    settings = around.settings
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(settings.connect_seconds):
        _, session = await loop.create_connection(
            lambda: Session(
                settings,
                events=around.traffic,
                receive=around.receive,
                metrics=around.metrics,
                timing=around.timing,
                receive_receipts=around.receive_receipts,
            ),
            settings.host,
            settings.port,
        )
    bind = Bind(
        settings.system_id.encode(), settings.password.get_secret_value().encode(), settings.system_type.encode()
    )
    try:
        status = await session.request(Command(role), bind.encode(), seconds=settings.connect_seconds)
    except BaseException:
        session.abort()
        raise
    if status:
        session.abort()
        raise BindRefused(status)
    return session


async def unbind(session: Session, seconds: float) -> None:
    """Say goodbye, wait (bounded) for the answer, and close."""
    try:
        await session.request(Command.UNBIND, seconds=seconds)
    except OSError:
        LOG.info("the gateway did not answer the unbind")
    session.abort()
    await session.closed


class Link:
    """`run` never ends by itself."""

    def __init__(self, around: Surroundings, number: int, role: Role, *, urgent_only: bool = False) -> None:
        self._around = around
        self._number = number
        self._role = role
        self._urgent_only = urgent_only
        settings = around.settings
        self._pauses = Backoff(settings.reconnect_seconds, settings.longest_reconnect_seconds, around.timing.chance)
        self._session: Session | None = None

    async def run(self) -> None:
        """Bind, and bind again whenever the link is lost."""
        while True:
            try:
                session = await open_session(self._around, self._role)
            except (OSError, BindRefused) as exc:
                self._around.metrics.bind_failures.inc()
                reason = f"{exc.status:#x}" if isinstance(exc, BindRefused) else type(exc).__name__
                LOG.warning("the gateway cannot be reached", link=self._number, reason=reason)
            else:
                await self._use(session)
            await self._around.timing.sleep(self._pauses.next())

    async def quiet(self) -> None:
        """Return when all that the gateway has brought is answered; it brings no more."""
        if self._session is not None:
            await self._session.deliveries_answered()

    async def close(self) -> None:
        """Say goodbye; what is unanswered becomes uncertain."""
        session = self._session
        if session is None or session.closed.done():
            return
        await unbind(session, self._around.settings.close_seconds)

    async def _use(self, session: Session) -> None:
        around = self._around
        began = around.timing.clock()
        self._session = session
        LOG.info("a link is bound", link=self._number)
        around.metrics.links.inc()
        if self._role is not Role.RECEIVER:
            around.traffic.link_up(session, urgent_only=self._urgent_only)
        try:
            await self._watch(session)
        finally:
            around.traffic.link_down(session)
            around.metrics.links.dec()
        around.metrics.lost_links.inc()
        LOG.warning("a link is lost", link=self._number)
        if around.timing.clock() - began >= STEADY_SECONDS:
            self._pauses.reset()

    async def _watch(self, session: Session) -> None:
        """Return when the session is over; ask after each silence whether the gateway lives."""
        settings, clock = self._around.settings, self._around.timing.clock
        while not session.closed.done():
            left = session.heard_at + settings.enquire_seconds - clock()
            if left > 0:
                await asyncio.wait([session.closed], timeout=left)
                continue
            try:
                await session.request(Command.ENQUIRE_LINK, seconds=settings.response_seconds)
            except OSError as exc:
                LOG.warning("the gateway does not answer", link=self._number, reason=type(exc).__name__)
                session.abort()
                await asyncio.wait([session.closed])
