"""The e-mail channel, inwards: a small SMTP listener behind the organisation's mail server."""

import asyncio
import logging
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from notifiers.email.keys import MessageKeys
from notifiers.email.links import OptOutLinks, Subscription
from notifiers.email.mail import Mail, read_mail
from notifiers.email.metrics import EmailMetrics, Received
from notifiers.email.settings import EmailInboundSettings
from notifiers.ports import Incoming, OnIncoming, OnReceipt, OptOutDoor
from schemas.words import Channel

LOG = structlog.get_logger("muster.email")
REPLY = re.compile(r"reply(?:\+(\d{1,2}))?")
STOP = re.compile(r"stop\+(.+)")
LONGEST_LINE = 64 * 1024  # RFC 5321 says 1,000; programs that ignore it are used by people whose answer counts
MOST_RECIPIENTS = 10
NULL_SENDER = "<>"

TAKEN = "250 2.0.0 taken"
NOT_NOW = "451 4.3.0 not stored, try again"
UNREADABLE = "554 5.6.0 cannot be read"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where incoming messages go.  Each commits before it returns; what raises is tried again by the sender."""

    on_incoming: OnIncoming
    on_receipt: OnReceipt
    opt_out: OptOutDoor


class _Session(SMTP):  # type: ignore[misc]  # aiosmtpd has no types
    """A session that is known to its listener from its first byte to its last."""

    line_length_limit = LONGEST_LINE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.event_handler.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.sessions.discard(self)
        super().connection_lost(error)


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast("asyncio.WriteTransport", transport)
        writing.write(b"421 4.3.2 too many connections, come again\r\n")
        writing.close()


class EmailInbound:
    """Listens while entered.  A message is answered with 250 only after its door has committed it."""

    def __init__(self, settings: EmailInboundSettings, secret: bytes, doors: Doors, metrics: EmailMetrics) -> None:
        self._settings = settings
        self._doors = doors
        self._metrics = metrics
        self._keys = MessageKeys(secret, settings.domain)
        self._links = OptOutLinks(secret)
        self._server: asyncio.Server | None = None
        self.sessions: set[SMTP] = set()

    @property
    def port(self) -> int:
        """The port it listens on.  Only while entered."""
        if self._server is None:
            raise RuntimeError("enter the listener first: async with EmailInbound(...)")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        # aiosmtpd writes every command, with the addresses in it, to this logger.
        logging.getLogger("mail.log").disabled = True
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self._settings.host, self._settings.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for session in tuple(self.sessions):
                session.transport.abort()
            await self._server.wait_closed()

    def _session(self) -> asyncio.BaseProtocol:
        if len(self.sessions) >= self._settings.connections:
            return _TurnedAway()
        session: asyncio.BaseProtocol = _Session(
            self,
            hostname=self._settings.domain,
            ident="Muster",
            data_size_limit=self._settings.max_bytes,
            timeout=self._settings.idle_seconds,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        return session

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take what is meant for us and nothing else: this is no relay."""
        local, _, domain = address.lower().rpartition("@")
        ours = REPLY.fullmatch(local) or STOP.fullmatch(local) or self._keys.read_return(local)
        if domain != self._settings.domain or not ours:
            return "550 5.1.1 not received here"
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read the message, hand it to its door and answer after that."""
        locals_ = [address.lower().rpartition("@")[0] for address in envelope.rcpt_tos]
        nonce = next(filter(None, map(self._keys.read_return, locals_)), None)
        sender = "" if envelope.mail_from in (None, NULL_SENDER) else str(envelope.mail_from)
        raw = bytes(envelope.original_content or b"")
        try:
            mail = await asyncio.to_thread(read_mail, raw, sender, nonce, self._keys)
        except Exception as exc:  # noqa: BLE001 - one message that breaks the reader must not stop the others
            LOG.warning("email_unreadable", error=type(exc).__name__, bytes=len(raw))
            self._metrics.received(Received.UNREADABLE)
            return UNREADABLE
        try:
            async with asyncio.timeout(self._settings.commit_seconds):
                what = await self._hand_over(mail, locals_, null_sender=not sender)
        except Exception as exc:  # noqa: BLE001 - whatever kept it from being stored, its sender still has it
            LOG.warning("email_not_committed", error=type(exc).__name__)
            self._metrics.received(Received.NOT_COMMITTED)
            return NOT_NOW
        self._metrics.received(what)
        return TAKEN

    async def handle_exception(self, error: Exception) -> str:
        LOG.warning("email_session_failed", error=type(error).__name__)
        return NOT_NOW

    async def _hand_over(self, mail: Mail, locals_: list[str], *, null_sender: bool) -> Received:
        tokens = [found[1] for found in map(STOP.fullmatch, locals_) if found]
        if tokens:
            return await self._opt_out(tokens)
        for receipt in mail.receipts:
            await self._doors.on_receipt(receipt)
        if mail.receipts:
            return Received.BOUNCE
        if mail.machine:
            return Received.AUTO_REPLY
        if null_sender:
            return Received.STRAY_BOUNCE
        slots = [int(found[1]) for found in map(REPLY.fullmatch, locals_) if found and found[1]]
        key = mail.answers_to.appeal if mail.answers_to else None
        slot = slots[0] if slots else None
        await self._doors.on_incoming(Incoming(mail.author, mail.words, slot, gateway_id=mail.fingerprint, key=key))
        return Received.ANSWER

    async def _opt_out(self, tokens: list[str]) -> Received:
        known: list[Subscription] = [read for read in map(self._links.read, tokens) if read]
        for each in known:
            await self._doors.opt_out.opt_out_member(each.member_id, each.purpose, Channel.EMAIL, "mailto")
        return Received.OPT_OUT if known else Received.FORGED
