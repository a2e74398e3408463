"""Takes messages in: reads, judges, records, and only then answers."""

import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rehearsal.smsc import wire
from rehearsal.smsc.mood import Mood
from rehearsal.smsc.record import Moment, Record
from rehearsal.smsc.runs import FEW, Rows, hexadecimal, repeated, with_sequences
from rehearsal.smsc.spool import Frame, Spool
from rehearsal.smsc.submission import Letter, LetterReader

_OK = struct.Struct(">IIII12sx")
_ACCEPTED = _OK.pack(_OK.size, wire.SUBMIT_SM_RESP, wire.ROK, 0, b"")
_ID = slice(wire.HEADER_SIZE, _OK.size - 1)
_NO_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Accepted:
    """Messages taken together: what receipts are made from."""

    first_id: int
    numbers: Sequence[int]
    letters: Sequence[Letter]
    appeal: float


class Gateway:
    """The account all binds share.  `appeal_time` gives epoch seconds on the appeal's clock."""

    def __init__(self, mood: Mood, record: Record, spool: Spool | None, appeal_time: Callable[[], float]) -> None:
        settings = mood.settings
        self.refused: Counter[int] = Counter()
        self.silent = 0
        self.accepted: list[Accepted] = []
        self._window = settings.window
        self._record = record
        self._spool = spool
        self._appeal_time = appeal_time
        self._mood = mood
        self._letters = LetterReader(reference_tag=settings.reference_tag, access_number=settings.access_number)
        self._next_id = 1
        if spool:
            self._recall(spool)

    def submit(
        self, chunk: bytes, starts: Sequence[int], ends: Sequence[int], sequences: Sequence[int], *, unanswered: int
    ) -> tuple[bytes, int]:
        """The answers to some submit_sm, and how many they are.  Whatever is answered ESME_ROK has been recorded."""
        numbers, letters, plain = self._letters.read(chunk, starts, ends)
        room = self._window - unanswered if self._window else _NO_LIMIT
        statuses = self._mood.brakes.judge(numbers, letters, room=room, now=time.monotonic(), plain=plain)
        if statuses is None:
            octets = chunk[starts[0] : ends[-1]]
            return self._accept(octets, numbers, letters, sequences, plain=plain)
        kept = [place for place, status in enumerate(statuses) if status == wire.ROK]
        refused = [
            wire.pdu(wire.SUBMIT_SM_RESP, status, sequence)
            for status, sequence in zip(statuses, sequences, strict=True)
            if status != wire.ROK
        ]
        self.refused.update(status for status in statuses if status != wire.ROK)
        if not kept:
            return b"".join(refused), len(refused)
        answers, count = self._accept(
            b"".join(chunk[starts[place] : ends[place]] for place in kept),
            [numbers[place] for place in kept],
            [letters[place] for place in kept],
            [sequences[place] for place in kept],
            plain=all(letters[place].plain for place in kept),
        )
        return b"".join((answers, *refused)), count + len(refused)

    def _accept(
        self,
        octets: bytes,
        numbers: Sequence[int],
        letters: Sequence[Letter],
        sequences: Sequence[int],
        *,
        plain: bool,
    ) -> tuple[bytes, int]:
        first, at = self._next_id, Moment(time.time(), self._appeal_time())
        if self._spool:
            try:
                self._spool.append(Frame(octets, len(numbers), first, at.real, at.appeal))
            except OSError:
                # What cannot be recorded was not accepted.
                self.refused[wire.RSYSERR] += len(numbers)
                refusals = (wire.pdu(wire.SUBMIT_SM_RESP, wire.RSYSERR, sequence) for sequence in sequences)
                return b"".join(refusals), len(numbers)
        self._remember(first, numbers, letters, at, plain=plain)
        answers = _answers(first, sequences)
        silent = self._mood.brakes.unanswered(numbers)
        if silent is not None:
            answers = answers[~silent]
            self.silent += len(silent) - len(answers)
        return answers.tobytes(), len(answers)

    def _remember(
        self, first: int, numbers: Sequence[int], letters: Sequence[Letter], at: Moment, *, plain: bool
    ) -> None:
        self._next_id = first + len(numbers)
        self._record.add(numbers, letters, at, plain=plain)
        self.accepted.append(Accepted(first, numbers, letters, at.appeal))

    def _recall(self, spool: Spool) -> None:
        for frame in spool.frames():
            starts, at = [], 0
            while at < len(frame.octets):
                starts.append(at)
                at += wire.HEADER.unpack_from(frame.octets, at)[0]
            numbers, letters, _ = self._letters.read(frame.octets, starts, [*starts[1:], at])
            plain = all(letter.part is None for letter in letters)
            self._remember(frame.first_id, numbers, letters, Moment(frame.real, frame.appeal), plain=plain)


def _answers(first: int, sequences: Sequence[int]) -> Rows:
    """One submit_sm_resp each, with ids that count up from `first`."""
    count = len(sequences)
    if count < FEW:
        each = (
            _OK.pack(_OK.size, wire.SUBMIT_SM_RESP, wire.ROK, sequence, b"%012x" % message)
            for message, sequence in enumerate(sequences, start=first)
        )
        return np.frombuffer(b"".join(each), dtype=np.uint8).reshape(count, _OK.size)
    rows = repeated(_ACCEPTED, count)
    rows[:, _ID] = hexadecimal(np.arange(first, first + count, dtype=np.uint64), _ID.stop - _ID.start)
    return with_sequences(rows, np.array(sequences, dtype=np.uint64))
