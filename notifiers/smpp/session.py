"""One connection to the gateway: frames in, frames out, and which request waits for which answer."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, cast

import numpy as np
import structlog

from notifiers.ports import Bodies
from notifiers.smpp.codec import HEADER, HEADER_SIZE, LARGEST_PDU, ProtocolError, ShortMessage, pdu, pdus_of
from notifiers.smpp.flight import Flight, Flights, clean_run
from notifiers.smpp.metrics import SMSMetrics
from notifiers.smpp.receipt_tables import Run, receipt_run
from notifiers.smpp.receipts import is_receipt_body
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.shipment import Fate, Shipment
from notifiers.smpp.timing import Timing
from notifiers.smpp.words import LARGEST_SEQUENCE, RESPONSE, Command, Status

LOG = structlog.get_logger("muster.sms")
MOST_DELIVERIES: Final = 2000
_SUBMIT_SM_RESP: Final = int(Command.SUBMIT_SM_RESP)
_TAKEN: Final = HEADER_SIZE + 1  # length of a deliver_sm_resp: a header and an empty message_id
_DELIVER_SM: Final = int(Command.DELIVER_SM)
_NACK: Final = int(Command.GENERIC_NACK)
_UNANSWERABLE: Final = frozenset({Command.OUTBIND, Command.ALERT_NOTIFICATION})

Refusal = tuple[Flight, int, int]  # flight, index, status
Receive = Callable[[ShortMessage], Awaitable[Status]]
ReceiveReceipts = Callable[[Sequence[Bodies]], Awaitable[Status]]


class SessionEvents(Protocol):
    """Who hears of answers."""

    def answered(self, session: "Session", answers: int, written_at: float, refusals: list[Refusal]) -> None:
        """So many PDUs were answered, among them these refusals; the last was written at that moment."""

    def expired(self) -> None:
        """Some PDUs were never answered, and their places are free."""


class Session(asyncio.Protocol):
    """Never raises into the event loop: what is no SMPP ends the session, which `closed` tells."""

    def __init__(
        self,
        settings: SMSSettings,
        *,
        events: SessionEvents,
        receive: Receive,
        metrics: SMSMetrics,
        timing: Timing,
        receive_receipts: ReceiveReceipts | None = None,
    ) -> None:
        self._settings = settings
        self._events = events
        self._receive = receive
        self._receive_receipts = receive_receipts
        self._receipts: list[Run] = []
        self._metrics = metrics
        self._timing = timing
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._sequence = 0
        self._flights = Flights()
        self._requests: dict[int, asyncio.Future[int]] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.full = False  # the transport keeps octets that the kernel would not take
        self.leaving = False
        self.deaf = False  # what the gateway brings from now on is for another link, or for later
        self.heard_at = timing.clock()

    @property
    def unanswered(self) -> int:
        """PDUs written and not yet answered."""
        return self._flights.unanswered

    @property
    def kept(self) -> int:
        """Those of them whose progress is kept."""
        return self._flights.kept

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Unsent octets count as sent, so few of them may lie about: none in the transport but the rest of one write.
        self._transport.set_write_buffer_limits(high=0)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.send_buffer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.leaving = True
        for flight in self._flights.clear():
            flight.land(Fate.UNCERTAIN)
        for request in self._requests.values():
            request.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._events.answered(self, 0, 0.0, [])

    def abort(self) -> None:
        """End the connection at once; what is unanswered becomes uncertain."""
        self.leaving = True
        if self._transport is not None:
            self._transport.abort()

    def retire(self) -> None:
        """Write nothing more, and end the connection when all that was written is answered."""
        self.leaving = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self.leaving and not self._flights.unanswered and self._transport is not None:
            self._transport.close()

    # Out

    def submit(self, shipment: Shipment, indices: Sequence[int]) -> None:
        """Write these PDUs of a shipment in one go."""
        first = self._reserve(len(indices))
        flight = Flight(shipment, indices, first, self._timing.clock())
        self._flights.add(flight)
        flight.timer = self._timing.call_later(self._settings.response_seconds, lambda: self._expire(flight))
        self._write(shipment.render(indices, first))

    async def request(self, command: Command, body: bytes = b"", *, seconds: float) -> int:
        """The status of the answer.  Raises TimeoutError; ConnectionError when the link broke meanwhile."""
        sequence = self._reserve(1)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._requests[sequence] = answer
        self._write(pdu(command, 0, sequence, body))
        try:
            async with asyncio.timeout(seconds):
                both: list[asyncio.Future[Any]] = [answer, self.closed]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._requests.pop(sequence, None)
        if answer.done() and not answer.cancelled():
            return answer.result()
        raise ConnectionError("the link broke before the answer")

    def _reserve(self, count: int) -> int:
        """The first of `count` consecutive sequence numbers."""
        if self._sequence + count > LARGEST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def _expire(self, flight: Flight) -> None:
        """The answers that are missing will never come: nobody knows what became of these messages."""
        self._flights.remove(flight)
        missing = flight.land(Fate.UNCERTAIN)
        self._metrics.timeouts.inc(missing)
        LOG.warning("messages were never answered", parts=missing)
        self._events.expired()
        self._end_if_done()

    # In

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._timing.clock()
        buffer = self._rest + data if self._rest else data
        try:
            self._rest = buffer[self._read(buffer) :]
        except ProtocolError as exc:
            # Where the next PDU begins is unknown from here on.
            self._nack(exc, 0)
            self._rest = b""
            self.abort()
        if self._receipts:
            self._begin_receipts()

    def _read(self, buffer: bytes) -> int:
        """Handle all complete PDUs; how many octets they were.

        Answers to submit_sm come by the hundred thousand, so they are looked at here, in one loop, and nowhere else.
        """
        at, size, count = 0, len(buffer), 0
        unpack, flights, flight = HEADER.unpack_from, self._flights, None
        heard: list[Flight] = []
        refusals: list[Refusal] = []
        while size - at >= HEADER_SIZE:
            length, command, status, sequence = unpack(buffer, at)
            end = at + length
            if not HEADER_SIZE <= length <= LARGEST_PDU:
                self._tell(count, flight, heard, refusals)
                raise ProtocolError(Status.RINVCMDLEN, "a length that no PDU has")
            if end > size:
                break
            if command == _DELIVER_SM and (brought := self._receipt_run(buffer, at, length)):
                at += length * brought
                continue
            known = flights.find(sequence) if command in (_SUBMIT_SM_RESP, _NACK) else None
            if known is None:
                self._other(command, status, sequence, buffer[at + HEADER_SIZE : end])
                at = end
                continue
            if known is not flight:
                flight = known
                heard.append(flight)
            bodies, answers = clean_run(buffer, at, length, sequence, flight) if status == 0 else (b"", 0)
            if answers:
                flight.accepted(bodies, answers)
                at += length * answers
            elif status == 0:
                flight.accepted_one(sequence, buffer[at + HEADER_SIZE : end])
                at, answers = end, 1
            else:
                refusals.append((flight, flight.settle(sequence), status))
                at, answers = end, 1
            count += answers
            flights.answered(flight, answers)
        self._tell(count, flight, heard, refusals)
        return at

    def _tell(self, count: int, last: Flight | None, heard: Sequence[Flight], refusals: list[Refusal]) -> None:
        if last is None:
            return
        for flight in dict.fromkeys(heard):
            flight.note()
            if not flight.left:
                flight.land(Fate.UNCERTAIN)
        self._events.answered(self, count, last.written_at, refusals)
        if self.leaving:
            self._end_if_done()

    def _other(self, command: int, status: int, sequence: int, body: bytes) -> None:
        """Everything but an answer to a submit_sm that we wait for."""
        try:
            if command == Command.DELIVER_SM:
                self._deliver(sequence, body)
            elif command & RESPONSE:
                self._answer(status, sequence)
            elif command == Command.ENQUIRE_LINK:
                self._write(pdu(Command.ENQUIRE_LINK_RESP, 0, sequence))
            elif command == Command.UNBIND:
                self._unbind(sequence)
            elif command not in _UNANSWERABLE:
                raise ProtocolError(Status.RINVCMDID, "a command that a client does not serve")  # noqa: TRY301
        except ProtocolError as exc:
            self._nack(exc, sequence)

    def _answer(self, status: int, sequence: int) -> None:
        request = self._requests.pop(sequence, None)
        if request is None:
            self._metrics.late.inc()
        elif not request.done():
            request.set_result(status)

    def _unbind(self, sequence: int) -> None:
        """The gateway wants us to go: it answers nothing that it has not answered yet."""
        self.leaving = True
        self._write(pdu(Command.UNBIND_RESP, 0, sequence))
        if self._transport is not None:
            self._transport.close()

    def _nack(self, error: ProtocolError, sequence: int) -> None:
        self._metrics.protocol_errors.inc()
        LOG.warning("the gateway sent what cannot be read", reason=str(error))
        self._write(pdu(Command.GENERIC_NACK, error.status, sequence))

    def _receipt_run(self, buffer: bytes, at: int, length: int) -> int:
        """Take in receipts that follow each other here, alike in length and form; how many they are, 0 if none."""
        if self._receive_receipts is None or self._slowing_down:
            return 0
        run = receipt_run(buffer, at, length)
        if run is None:
            return 0
        self._receipts.append(run)
        return run.bodies.count

    @property
    def _slowing_down(self) -> bool:
        return self.deaf or len(self._deliveries) >= MOST_DELIVERIES

    def _deliver(self, sequence: int, body: bytes) -> None:
        if self._slowing_down:
            # Slow down the gateway, but never the reading: answers to what we sent come by the same way.
            self._write(pdu(Command.DELIVER_SM_RESP, Status.RX_T_APPN, sequence, b"\0"))
            return
        if self._receive_receipts is not None and is_receipt_body(body):
            self._receipts.append(Run(np.array([sequence], np.uint32), Bodies.of(body)))
        else:
            self._begin(self._received(sequence, ShortMessage.decode(body)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="sms delivery")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    def _begin_receipts(self) -> None:
        """Receipts come by the hundred thousand too: those of one read are stored and answered together."""
        batch, self._receipts = self._receipts, []
        self._begin(self._received_receipts(batch))

    async def _received_receipts(self, batch: list[Run]) -> None:
        assert self._receive_receipts is not None
        status = await self._receive_receipts([run.bodies for run in batch])
        sequences = np.concatenate([run.sequences for run in batch])
        taken = np.zeros(len(sequences), pdus_of(_TAKEN))
        taken["kind"] = _TAKEN << 32 | int(Command.DELIVER_SM_RESP)
        taken["status"] = status
        taken["sequence"] = sequences
        self._write(taken.tobytes())

    async def _received(self, sequence: int, message: ShortMessage) -> None:
        status = await self._receive(message)
        self._write(pdu(Command.DELIVER_SM_RESP, status, sequence, b"\0"))

    async def deliveries_answered(self) -> None:
        """Ask the gateway to bring no more now, and return when all that it brought is answered."""
        self.deaf = True
        while self._deliveries:
            await asyncio.wait(self._deliveries)
