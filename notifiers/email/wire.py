"""One SMTP session.  aiosmtplib connects, greets, encrypts and logs in; from there on we write the commands in groups.

Its own `sendmail` waits for each reply before the next command and does not tell whether a connection broke before or
after the letter was written; we must know, because a letter that may have arrived is never sent again.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Sequence
from typing import cast

import aiosmtplib

from notifiers.email.parcels import Parcel
from notifiers.email.settings import EmailSettings
from notifiers.email.verdicts import CLOSING, Fate, Reply, Stage, judge

LONGEST_REPLY = 32 * 1024
CODE = re.compile(r"[2-5][0-9]{2}")


class WireLost(Exception):
    """The session is over: closed, garbled or silent for too long."""


class Wire(asyncio.Protocol):
    """A session after its greeting.  One letter at a time; a broken session is thrown away, never repaired."""

    def __init__(self, transport: asyncio.WriteTransport, settings: EmailSettings, *, pipelining: bool) -> None:
        self._transport = transport
        self._command_seconds = settings.command_seconds
        self._verdict_seconds = settings.verdict_seconds
        self._pipelining = pipelining
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._stirred = asyncio.Event()
        self._lost = False

    @property
    def usable(self) -> bool:
        """False once the server closed it, or spoke unasked, which a server does before it closes."""
        return not self._lost and not self._replies and not self._transport.is_closing()

    async def exchange(self, parcel: Parcel) -> tuple[Fate, Stage, int]:
        """Try to hand one letter over: its fate, the command that decided it and the server's code."""
        stage = Stage.SENDER
        try:
            stage, reply = await self._offer(parcel)
            if not reply.accepts(stage):
                await self._abandon(reply)
                return judge(stage, reply), stage, reply.code
            if not parcel.may_send():
                # After DATA there is no way back but the end of the session: without the final dot nothing was sent.
                self.abort()
                return Fate.HELD, stage, 0
            self._require_usable()
        except WireLost:
            self.abort()
            return Fate.LOST, stage, 0
        parcel.written = True
        self._transport.write(parcel.content)
        try:
            reply = await self._reply(self._verdict_seconds)
        except WireLost:
            self.abort()
            return Fate.UNCERTAIN, Stage.CONTENT, 0
        fate = judge(Stage.CONTENT, reply)
        if reply.code == CLOSING or fate is Fate.UNCERTAIN:
            self.abort()
        return fate, Stage.CONTENT, reply.code

    async def close(self) -> None:
        """Say goodbye and hang up; a server that does not answer is not waited for long."""
        try:
            self._require_usable()
            self._transport.write(b"QUIT\r\n")
            await self._reply(1.0)
        except WireLost:
            pass
        self.abort()

    def abort(self) -> None:
        self._lost = True
        self._transport.abort()

    async def _offer(self, parcel: Parcel) -> tuple[Stage, Reply]:
        """Everything up to the letter itself: the first refusal, or the server's word to go ahead."""
        self._require_usable()
        stages = ((Stage.SENDER, parcel.sender), (Stage.RECIPIENT, parcel.recipient), (Stage.DATA, b"DATA\r\n"))
        if self._pipelining:
            return await self._offer_at_once(stages)
        for stage, command in stages:
            self._transport.write(command)
            reply = await self._reply(self._command_seconds)
            if not reply.accepts(stage):
                break
        return stage, reply

    async def _offer_at_once(self, stages: Sequence[tuple[Stage, bytes]]) -> tuple[Stage, Reply]:
        """The same in one round trip (RFC 2920)."""
        self._transport.write(b"".join(command for _, command in stages))
        replies: list[tuple[Stage, Reply]] = []
        try:
            for stage, _ in stages:
                replies.append((stage, await self._reply(self._command_seconds)))
        except WireLost:
            # A server that refuses and hangs up has said why; one that just breaks off has not.
            if all(reply.accepts(stage) for stage, reply in replies):
                raise
        refusal = next(((stage, reply) for stage, reply in replies if not reply.accepts(stage)), None)
        if refusal and len(replies) == len(stages) and replies[-1][1].accepts(Stage.DATA):
            # RFC 2920, 3.1: told to go ahead with nobody to send to, the client sends a lone dot.
            self._transport.write(b".\r\n")
            await self._reply(self._command_seconds)
        return refusal or replies[-1]

    async def _abandon(self, reply: Reply) -> None:
        """Clear the envelope of a refused letter, so that the next one starts clean."""
        if reply.code == CLOSING or not self.usable:
            self.abort()
            return
        self._transport.write(b"RSET\r\n")
        try:
            cleared = await self._reply(self._command_seconds)
        except WireLost:
            self.abort()
            return
        if not cleared.accepts(Stage.SENDER):
            self.abort()

    def _require_usable(self) -> None:
        if not self.usable:
            raise WireLost

    async def _reply(self, seconds: float) -> Reply:
        try:
            async with asyncio.timeout(seconds):
                while not self._replies:
                    if self._lost:
                        raise WireLost
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError as exc:
            raise WireLost from exc
        return self._replies.popleft()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).decode("utf-8", "replace").rstrip("\r")
            del self._buffer[: end + 1]
            self._read_line(line)
        if len(self._buffer) + sum(map(len, self._lines)) > LONGEST_REPLY:
            self.abort()
        self._stirred.set()

    def _read_line(self, line: str) -> None:
        code = line[:3]
        if not (CODE.fullmatch(code) and line[3:4] in ("", " ", "-")):
            self.abort()
            return
        self._lines.append(line[4:])
        if line[3:4] != "-":
            self._replies.append(Reply(int(code), self._lines[0]))
            self._lines.clear()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._lost = True
        self._stirred.set()


async def open_wire(settings: EmailSettings, tls: ssl.SSLContext | None) -> Wire:
    """A session that is ready for letters.  Raises aiosmtplib.SMTPException or OSError."""
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        local_hostname=settings.domain,
        start_tls=settings.starttls,
        tls_context=tls,
        timeout=settings.connect_seconds,
    )
    try:
        async with asyncio.timeout(settings.connect_seconds):
            await client.connect()
            await _greet(client)
    except BaseException:
        client.close()
        raise
    transport = cast("asyncio.Transport | None", client.transport)
    if transport is None:
        raise aiosmtplib.SMTPServerDisconnected("closed after the greeting")
    wire = Wire(transport, settings, pipelining=client.supports_extension("pipelining"))
    transport.set_protocol(wire)
    return wire


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO, or HELO for a server that knows no better; connect() has done it already where it had to."""
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()
