"""PDUs that came in together and follow each other, taken as one run instead of one by one.

Who sends to many writes hundreds of PDUs that differ in a few octets only.  Looked at as the rows of a table, a column at
a time, such a run costs some tenths of a microsecond a message; looked at one by one it costs microseconds.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Numbers
from rehearsal.smsc import wire

Rows = NDArray[np.uint8]

FEW = 16  # below this many, columns cost more than they save
_MOST = 2048
_SLOW = 64  # PDUs taken one by one before looking for equal ones again
_SAME = slice(0, 12)  # length, command and status
_SEQUENCE = slice(12, 16)
_HEXADECIMAL = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


class BrokenLength(Exception):
    """A PDU names a length that cannot be; nothing behind it can be read."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"sequence {sequence}")
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Run:
    """PDUs of one command and status; `starts` is a range when they are of one length and many."""

    command: int
    status: int
    starts: Sequence[int]
    ends: Sequence[int]
    sequences: Sequence[int]


def runs_of(chunk: bytes) -> Iterator[Run]:
    """All whole PDUs in order.  Raises `BrokenLength` where reading has to end."""
    at, size = 0, len(chunk)
    while size - at >= wire.HEADER_SIZE:
        length, command, status, sequence = wire.HEADER.unpack_from(chunk, at)
        if not wire.HEADER_SIZE <= length <= wire.LARGEST_PDU:
            raise BrokenLength(sequence)
        if at + length > size:
            return
        run = _equal(chunk, at, length, command, status) or _one_by_one(chunk, at, command, status)
        yield run
        at = run.ends[-1]


def equal_rows(chunk: bytes, starts: range) -> Rows:
    """PDUs of one length as a table."""
    octets = np.frombuffer(chunk, dtype=np.uint8, count=len(starts) * starts.step, offset=starts.start)
    return octets.reshape(len(starts), starts.step)


def leading(agreeing: NDArray[np.bool_]) -> int:
    """How many agree before the first that does not."""
    return len(agreeing) if agreeing.all() else int(agreeing.argmin())


def with_sequences(rows: Rows, sequences: Numbers) -> Rows:
    """The same PDUs under these sequence numbers."""
    numbered = rows.copy()
    numbered[:, _SEQUENCE] = sequences.astype(">u4").view(np.uint8).reshape(-1, 4)
    return numbered


def repeated(pdu: bytes, count: int) -> Rows:
    """`count` rows of it, to be written into."""
    return np.tile(np.frombuffer(pdu, dtype=np.uint8), (count, 1))


def decimal(numbers: Numbers, width: int) -> Rows:
    """The last `width` digits of each, in ASCII."""
    digits = np.empty((len(numbers), width), dtype=np.uint8)
    rest = numbers
    for place in reversed(range(width)):
        above = rest // np.uint64(10)
        digits[:, place] = rest - above * np.uint64(10)
        rest = above
    return digits + np.uint8(ord("0"))


def hexadecimal(numbers: Numbers, width: int) -> Rows:
    """The last `width` hexadecimal digits of each, in ASCII."""
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width // 2 :]
    nibbles = np.stack((octets >> 4, octets & 15), axis=2).reshape(len(numbers), width)
    digits: Rows = _HEXADECIMAL[nibbles]
    return digits


def _equal(chunk: bytes, at: int, length: int, command: int, status: int) -> Run | None:
    """The run of PDUs that begin as the first does, if there are enough of them."""
    count = min((len(chunk) - at) // length, _MOST)
    if count < FEW:
        return None
    rows = equal_rows(chunk, range(at, at + count * length, length))
    count = leading((rows[:, _SAME] == rows[0, _SAME]).all(axis=1))
    if count < FEW:
        return None
    sequences = array("I", rows[:count, _SEQUENCE].copy().view(">u4").astype(np.uint32).tobytes())
    starts = range(at, at + count * length, length)
    return Run(command, status, starts, range(at + length, starts.stop + 1, length), sequences)


def _one_by_one(chunk: bytes, at: int, command: int, status: int) -> Run:
    size, unpack = len(chunk), wire.HEADER.unpack_from
    starts: list[int] = []
    sequences: list[int] = []
    while size - at >= wire.HEADER_SIZE and len(starts) < _SLOW:
        length, its_command, its_status, sequence = unpack(chunk, at)
        if (its_command, its_status) != (command, status):
            break
        if not wire.HEADER_SIZE <= length <= wire.LARGEST_PDU or at + length > size:
            break
        starts.append(at)
        sequences.append(sequence)
        at += length
    return Run(command, status, starts, [*starts[1:], at], sequences)
