"""A gateway that does what a test tells it, over real TCP on 127.0.0.1."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from notifiers.smpp.codec import HEADER, ShortMessage, pdu
from notifiers.smpp.words import Command

BOUND = 5.0  # seconds; every wait of a test ends then
BINDS = {Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER, Command.BIND_RECEIVER}


@dataclass(eq=False)
class Submitted:
    """A submit_sm, and the means to answer it or not."""

    line: "Line"
    sequence: int
    message: ShortMessage

    @property
    def to(self) -> str:
        return self.message.destination.digits.decode()

    def answer(self, status: int = 0, message_id: str = "") -> None:
        body = message_id.encode() + b"\0" if status == 0 else b""
        self.line.write(pdu(Command.SUBMIT_SM_RESP, status, self.sequence, body))

    def nack(self, status: int) -> None:
        self.line.write(pdu(Command.GENERIC_NACK, status, self.sequence))


Script = Callable[[Submitted], None]


@dataclass(eq=False)
class Line:
    """One connection of the client's."""

    smsc: "SMSC"
    writer: asyncio.StreamWriter
    role: int = 0
    answers: dict[int, asyncio.Future[int]] = field(default_factory=dict)
    sequence: int = 1000
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, octets: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(octets)

    def cut(self) -> None:
        """Break the link, as a dead gateway would."""
        self.writer.transport.abort()

    async def ask(self, command: int, body: bytes = b"") -> int:
        """Send a request; the status of the answer."""
        self.sequence += 1
        self.answers[self.sequence] = asyncio.get_running_loop().create_future()
        self.write(pdu(command, 0, self.sequence, body))
        return await asyncio.wait_for(self.answers[self.sequence], BOUND)

    async def deliver(self, message: ShortMessage) -> int:
        """Push a message or a receipt; the status of the answer."""
        return await self.ask(Command.DELIVER_SM, message.encode())


class SMSC:
    """Accepts everything unless `script` says otherwise.  `submitted` is all that came, in order."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.submitted: list[Submitted] = []
        self.heard: list[tuple[int, int]] = []  # command and status of everything else
        self.bind_statuses: list[int] = []  # what the next binds are told; then ROK
        self.port = 0
        self.binds = 0
        self.silent = False  # answers no enquire_link
        self.script: Script = self.accept
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def line(self) -> Line:
        """The latest link that is still there."""
        return next(line for line in reversed(self.lines) if not line.gone.is_set())

    def accept(self, submitted: Submitted) -> None:
        submitted.answer(message_id=f"{len(self.submitted):08X}")

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait, bounded, until something that a client does makes this true."""
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(true)

    async def until_bound(self, links: int = 1) -> None:
        await self.until(lambda: self.binds >= links)

    async def until_submitted(self, count: int) -> None:
        await self.until(lambda: len(self.submitted) >= count)

    async def start(self) -> None:
        """Listen; after a stop on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for line in self.lines:
            line.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=BOUND)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        line = Line(self, writer)
        self.lines.append(line)
        try:
            while True:
                length, command, status, sequence = HEADER.unpack(await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                await self._handle(line, command, status, sequence, body)
                async with self._changed:
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            line.gone.set()
            writer.close()
            self._tasks.discard(task)
            async with self._changed:
                self._changed.notify_all()

    async def _handle(self, line: Line, command: int, status: int, sequence: int, body: bytes) -> None:
        if command in BINDS:
            told = self.bind_statuses.pop(0) if self.bind_statuses else 0
            line.role = command
            line.write(pdu(command | 0x80000000, told, sequence, b"smsc\0" if told == 0 else b""))
            self.binds += told == 0
        elif command == Command.SUBMIT_SM:
            submitted = Submitted(line, sequence, ShortMessage.decode(body))
            self.submitted.append(submitted)
            self.script(submitted)
        else:
            self.heard.append((command, status))
            if command == Command.ENQUIRE_LINK and not self.silent:
                line.write(pdu(Command.ENQUIRE_LINK_RESP, 0, sequence))
            elif command == Command.UNBIND:
                line.write(pdu(Command.UNBIND_RESP, 0, sequence))
            elif command & 0x80000000 and (answer := line.answers.pop(sequence, None)) is not None:
                answer.set_result(status)


@asynccontextmanager
async def running_smsc():
    smsc = SMSC()
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


def statuses(*plan: int) -> Callable[[SMSC], Script]:
    """Answer the first submits with these statuses, and accept the rest."""

    def make(smsc: SMSC) -> Script:
        left = list(plan)

        def script(submitted: Submitted) -> None:
            status = left.pop(0) if left else 0
            if status:
                submitted.answer(status)
            else:
                smsc.accept(submitted)

        return script

    return make
