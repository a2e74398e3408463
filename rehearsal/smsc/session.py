"""One connection of a client: binds, keeps alive, hands submit_sm over in runs, sends deliver_sm."""

import asyncio
import hmac
import time
from collections.abc import Callable

import numpy as np

from rehearsal.smsc import wire
from rehearsal.smsc.deliveries import Deliveries
from rehearsal.smsc.gateway import Gateway
from rehearsal.smsc.mood import Mood
from rehearsal.smsc.runs import BrokenLength, Rows, Run, runs_of, with_sequences

_INTERFACE = b"MUSTER-SIM\0" + wire.tlv(wire.TAG_INTERFACE_VERSION, b"\x34")
_BINDS = (wire.BIND_RECEIVER, wire.BIND_TRANSMITTER, wire.BIND_TRANSCEIVER)
_SENDERS = (wire.BIND_TRANSMITTER, wire.BIND_TRANSCEIVER)
_RECEIVERS = (wire.BIND_RECEIVER, wire.BIND_TRANSCEIVER)
_DELIVERED = (wire.DELIVER_SM_RESP, wire.GENERIC_NACK)
_LAST_SEQUENCE = 0x7FFFFFFF
_TORN = 7  # octets of the answer in whose middle a link is cut
_RECEIPTS_FIRST = 0.25  # seconds that an answer waits to be overtaken by its receipt


class Session(asyncio.Protocol):
    """Reads PDUs in the order they come; answers to submit_sm wait for `latency_ms`, all others go at once."""

    def __init__(
        self,
        mood: Mood,
        gateway: Gateway,
        deliveries: Deliveries,
        sessions: "set[Session]",
    ) -> None:
        self.bound = 0
        self._mood = mood
        self._settings = mood.settings
        self._gateway = gateway
        self._deliveries = deliveries
        self._sessions = sessions
        self._rest = b""
        self._unanswered = 0
        self._sequence = 0
        self._heard = 0.0
        self._transport: asyncio.Transport
        self._watch: asyncio.TimerHandle | None = None
        self._waiting = False  # for the pacer
        self._choked = False  # by a client that does not read
        self._handlers: dict[int, Callable[[int, bytes], None]] = {
            **{bind: self._bind_as(bind) for bind in _BINDS},
            wire.UNBIND: self._unbind,
            wire.ENQUIRE_LINK: self._enquired,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._heard = time.monotonic()
        self._sessions.add(self)
        self._schedule_watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._sessions.discard(self)
        self._deliveries.detach(self)
        if self._watch:
            self._watch.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        self._rest = self._rest + data if self._rest else data
        if not self._waiting:
            self._consume()

    def pause_writing(self) -> None:
        self._choked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._choked = False
        if not self._waiting:
            self._transport.resume_reading()

    def send_deliveries(self, pdus: Rows) -> int:
        if self._sequence + len(pdus) > _LAST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += len(pdus)
        self._transport.write(with_sequences(pdus, np.arange(first, first + len(pdus), dtype=np.uint64)).tobytes())
        return first

    def drop(self) -> None:
        """Cut the link without a word."""
        self._transport.abort()

    def hang_up(self) -> None:
        """Close once what was answered is written."""
        self._transport.close()

    def _consume(self) -> None:
        chunk, read = self._rest, 0
        try:
            for run in runs_of(chunk):
                stopped = self._take(chunk, run)
                read = run.ends[-1] if stopped is None else stopped
                if stopped is not None:
                    break
        except BrokenLength as exc:
            self._write(wire.pdu(wire.GENERIC_NACK, wire.RINVCMDLEN, exc.sequence))
            self._rest = b""
            self._transport.close()
            return
        self._rest = chunk[read:]

    def _take(self, chunk: bytes, run: Run) -> int | None:
        """Act on a run; where it had to stop when the pacer said so."""
        if run.command == wire.SUBMIT_SM and self.bound in _SENDERS:
            return self._submit(chunk, run)
        if run.command in _DELIVERED:
            self._deliveries.answered(self, run.sequences, ok=run.status == wire.ROK)
            return None
        for start, end, sequence in zip(run.starts, run.ends, run.sequences, strict=True):
            self._handle(run.command, sequence, chunk[start + wire.HEADER_SIZE : end])
        return None

    def _submit(self, chunk: bytes, run: Run) -> int | None:
        """Hand a run of submit_sm over; where it had to stop when the pacer said so."""
        starts, allowed, pacer = run.starts, len(run.starts), self._mood.pacer
        if pacer:
            allowed = pacer.take(allowed, time.monotonic())
        stopped = starts[allowed] if allowed < len(starts) else None
        if allowed:
            answers, count = self._gateway.submit(
                chunk, starts[:allowed], run.ends[:allowed], run.sequences[:allowed], unanswered=self._unanswered
            )
            self._answer(answers, count)
        if stopped is not None and pacer:
            self._waiting = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(pacer.wait, self._go_on)
        return stopped

    def _go_on(self) -> None:
        self._waiting = False
        self._heard = time.monotonic()  # what was sent earlier is only being read now
        if self._transport.is_closing():
            return
        self._consume()
        if not (self._waiting or self._choked):
            self._transport.resume_reading()

    def _answer(self, answers: bytes, count: int) -> None:
        if self._mood.cut:
            self._mood.cut = False
            self._write(answers[: len(answers) // 2 + _TORN])
            self.drop()
            return
        settings = self._mood.settings
        wait = max(settings.latency_ms / 1000, _RECEIPTS_FIRST if settings.receipts_early else 0)
        if not wait:
            self._write(answers)
            return
        self._unanswered += count
        asyncio.get_running_loop().call_later(wait, self._answer_late, answers, count)

    def _answer_late(self, answers: bytes, count: int) -> None:
        self._unanswered -= count
        self._write(answers)

    def _write(self, octets: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(octets)

    def _handle(self, command: int, sequence: int, body: bytes) -> None:
        handler = self._handlers.get(command)
        if handler:
            handler(sequence, body)
        elif command == wire.SUBMIT_SM:
            self._write(wire.pdu(wire.SUBMIT_SM_RESP, wire.RINVBNDSTS, sequence))
        elif not command & wire.RESPONSE:
            self._write(wire.pdu(wire.GENERIC_NACK, wire.RINVCMDID, sequence))

    def _bind_as(self, kind: int) -> Callable[[int, bytes], None]:
        def bind(sequence: int, body: bytes) -> None:
            status = self._may_bind(body)
            answer = b"" if status else _INTERFACE
            self._write(wire.pdu(kind | wire.RESPONSE, status, sequence, answer))
            if status == wire.ROK:
                self.bound = kind
                if kind in _RECEIVERS:
                    self._deliveries.attach(self)

        return bind

    def _may_bind(self, body: bytes) -> int:
        try:
            system_id, at = wire.c_string(body, 0)
            password, _ = wire.c_string(body, at)
        except wire.Malformed as exc:
            return exc.status
        settings = self._settings
        if self.bound:
            return wire.RALYBND
        if settings.system_id and system_id != settings.system_id.encode():
            return wire.RINVSYSID
        if settings.system_id and not hmac.compare_digest(password, settings.password.encode()):
            return wire.RINVPASWD
        if settings.binds and sum(bool(session.bound) for session in self._sessions) >= settings.binds:
            return wire.RBINDFAIL
        return wire.ROK

    def _unbind(self, sequence: int, _body: bytes) -> None:
        self.bound = 0
        self._deliveries.detach(self)
        self._write(wire.pdu(wire.UNBIND | wire.RESPONSE, wire.ROK, sequence))
        self._transport.close()

    def _enquired(self, sequence: int, _body: bytes) -> None:
        self._write(wire.pdu(wire.ENQUIRE_LINK_RESP, wire.ROK, sequence))

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        return self._sequence

    def _schedule_watch(self) -> None:
        self._watch = asyncio.get_running_loop().call_later(self._settings.idle_seconds, self._watch_link)

    def _watch_link(self) -> None:
        silence = time.monotonic() - self._heard
        if silence >= 2 * self._settings.idle_seconds:
            self._transport.abort()
            return
        if silence >= self._settings.idle_seconds:
            self._write(wire.pdu(wire.ENQUIRE_LINK, wire.ROK, self._next_sequence()))
        self._schedule_watch()
