"""What a submit_sm says, read once for all members who are told the same.

A batch differs from member to member only in sequence number and destination.  So everything else is the key of a
cache, and a message costs three searches, two slices and a look-up; of many equally long ones that came in together,
whole columns are compared.
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from math import inf

import numpy as np

from rehearsal.smsc import wire
from rehearsal.smsc.runs import FEW, equal_rows, leading

_CHINA = 86 * 10**11  # +86 in front of an eleven-digit mobile
_MOBILES = (10**10, 2 * 10**10)
_LONGEST_NUMBER = 10**15
_CACHED = 50_000
_PLACES = np.array([10**place for place in reversed(range(15))], dtype=np.uint64)
_ZERO = np.uint8(ord("0"))
_UDH = 0x40
_ABSOLUTE_TIME = 16
_PART_8BIT, _PART_16BIT = 0x00, 0x08


@dataclass(frozen=True, slots=True)
class Part:
    """Which piece of which longer message this is, as its header says."""

    reference: int
    total: int
    number: int
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Letter:
    """All of a submit_sm but its destination and its sequence number; the same octets give the same object."""

    sender: str
    reference: str
    octets: bytes = b""
    coding: int = 0
    part: Part | None = None
    receipt: int = 0  # registered_delivery, bits 1-0
    valid_until: float = inf
    problem: int = wire.ROK

    @property
    def plain(self) -> bool:
        """Complete in itself and acceptable."""
        return self.part is None and not self.problem


NOT_AN_ADDRESS = Letter("", "", problem=wire.RINVDSTADR)


class LetterReader:
    """Destinations and letters from raw octets."""

    def __init__(self, *, reference_tag: int, access_number: str) -> None:
        self._tag = reference_tag
        self._access_number = access_number
        self._letters: dict[tuple[bytes, bytes], Letter] = {}

    def read(
        self, chunk: bytes, starts: Sequence[int], ends: Sequence[int]
    ) -> tuple[Sequence[int], Sequence[Letter], bool]:
        """Number and letter of each submit_sm, and whether every one of them is plain."""
        numbers, letters, plain = array("Q"), list[Letter](), True
        while isinstance(starts, range) and len(starts) >= FEW:
            found = self._read_columns(chunk, starts)
            if found is None:
                break
            same, letter = found
            numbers.extend(same)
            letters.extend([letter] * len(same))
            plain = plain and letter.plain
            starts, ends = starts[len(same) :], ends[len(same) :]
        if starts:
            others, theirs, all_plain = self._read_one_by_one(chunk, starts, ends)
            return [*numbers, *others], [*letters, *theirs], plain and all_plain
        return numbers, letters, plain

    def _read_columns(self, chunk: bytes, starts: range) -> tuple["array[int]", Letter] | None:
        """The numbers of those that say the same as the first; None when there are too few of them."""
        size, start = starts.step, starts.start
        (number,), (letter,), _ = self._read_one_by_one(chunk, starts[:1], [start + size])
        if not number:
            return None
        source = chunk.find(0, chunk.find(0, start + wire.HEADER_SIZE) + 3)
        target = slice(source + 3 - start, chunk.find(0, source + 3) - start)
        rows = equal_rows(chunk, starts)
        digits = rows[:, target] - _ZERO
        agreeing = np.all(digits < len("0123456789"), axis=1)
        for same in (slice(wire.HEADER_SIZE, target.start), slice(target.stop, size)):
            agreeing &= np.all(rows[:, same] == rows[0, same], axis=1)
        count = leading(agreeing)
        if count < FEW or digits.shape[1] > len(_PLACES):
            return None
        numbers = digits[:count] @ _PLACES[-digits.shape[1] :]
        if numbers.min() >= _CHINA:
            numbers -= _CHINA
        if not _MOBILES[0] <= numbers.min() <= numbers.max() < _MOBILES[1]:
            return None
        return array("Q", numbers.tobytes()), letter

    def _read_one_by_one(
        self, chunk: bytes, starts: Sequence[int], ends: Sequence[int]
    ) -> tuple[list[int], list[Letter], bool]:
        numbers: list[int] = []
        letters: list[Letter] = []
        known, find, plain, previous = self._letters, chunk.find, True, None
        for start, end in zip(starts, ends, strict=True):
            service = find(0, start + 16, end)
            source = find(0, service + 3, end)
            target = find(0, source + 3, end)
            if not 0 < service < source < target:
                numbers.append(0)
                letters.append(NOT_AN_ADDRESS)
                plain = False
                continue
            address = chunk[source + 3 : target]
            number = int(address) if address.isdigit() else number_of(address)
            if not _MOBILES[0] <= number < _MOBILES[1]:
                number = _without_country(number)
            key = (chunk[start + 16 : source + 3], chunk[target + 1 : end])
            letter = known.get(key) or self._learn(key)
            if not number:
                letter = NOT_AN_ADDRESS
            if letter is not previous:
                plain = plain and letter.plain
                previous = letter
            numbers.append(number)
            letters.append(letter)
        return numbers, letters, plain

    def _learn(self, key: tuple[bytes, bytes]) -> Letter:
        if len(self._letters) >= _CACHED:
            self._letters.clear()
        try:
            letter = self._parse(*key)
        except wire.Malformed as exc:
            letter = Letter("", "", problem=exc.status)
        self._letters[key] = letter
        return letter

    def _parse(self, head: bytes, tail: bytes) -> Letter:
        _, at = wire.c_string(head, 0)
        source, _ = wire.c_string(head, at + 2)
        sender = source.decode("ascii", errors="replace").removeprefix("+")
        if not sender.startswith(self._access_number):
            raise wire.Malformed(wire.RINVSRCADR)
        if len(tail) < len("epp") or tail.find(0, 3) < 0:
            raise wire.Malformed(wire.RINVMSGLEN)
        esm_class = tail[0]
        _, at = wire.c_string(tail, 3)  # schedule_delivery_time: everything leaves at once here
        validity, at = wire.c_string(tail, at)
        if len(tail) < at + 5:
            raise wire.Malformed(wire.RINVMSGLEN)
        registered, _, coding, _, length = struct.unpack_from(">BBBBB", tail, at)
        octets, options = tail[at + 5 : at + 5 + length], tail[at + 5 + length :]
        if len(octets) != length:
            raise wire.Malformed(wire.RINVMSGLEN)
        extra = dict(wire.tlvs(options, 0))
        octets = octets or extra.get(wire.TAG_PAYLOAD, b"")
        part, octets = _part_in_header(octets) if esm_class & _UDH else (_part_in_tlvs(extra), octets)
        return Letter(
            sender=sender,
            reference=extra.get(self._tag, b"").rstrip(b"\0").decode("ascii", errors="replace"),
            octets=octets,
            coding=coding,
            part=part,
            receipt=registered & 3,
            valid_until=_moment(validity),
        )


def number_of(address: bytes) -> int:
    """The digits of an address with or without `+`; 0 when it is none."""
    digits = address.removeprefix(b"+")
    return int(digits) if digits.isdigit() else 0


def _without_country(number: int) -> int:
    # One person, however the number is written: the witness counts people.
    if _MOBILES[0] <= number - _CHINA < _MOBILES[1]:
        return number - _CHINA
    return number if number < _LONGEST_NUMBER else 0


def _part_in_header(octets: bytes) -> tuple[Part | None, bytes]:
    size = octets[0] if octets else 0
    if not octets or len(octets) <= size:
        raise wire.Malformed(wire.RINVMSGLEN)
    header, rest, part = octets[1 : size + 1], octets[size + 1 :], None
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if kind == _PART_8BIT and len(value) == len("rtn"):
            part = _part(value[0], value[1], value[2], "udh8") or part
        elif kind == _PART_16BIT and len(value) == len("rrtn"):
            part = _part(value[0] << 8 | value[1], value[2], value[3], "udh16") or part
        at += 2 + length
    return part, rest


def _part_in_tlvs(extra: dict[int, bytes]) -> Part | None:
    fields = [extra.get(tag, b"") for tag in (wire.TAG_SAR_REFERENCE, wire.TAG_SAR_TOTAL, wire.TAG_SAR_NUMBER)]
    if not all(fields):
        return None
    reference, total, number = (int.from_bytes(field, "big") for field in fields)
    return _part(reference, total, number, "sar")


def _part(reference: int, total: int, number: int, kind: str) -> Part | None:
    # A header that contradicts itself is passed over, as a handset does (3GPP TS 23.040, 9.2.3.24.1).
    if not 1 <= number <= total or total == 1:
        return None
    return Part(reference, total, number, kind)


def _moment(written: bytes) -> float:
    """When a validity ends, as epoch seconds; relative periods are not used here and never end."""
    if not written:
        return inf
    if len(written) != _ABSOLUTE_TIME or not written[:15].isdigit() or written[15:] not in (b"+", b"-", b"R"):
        raise wire.Malformed(wire.RINVEXPIRY)
    if written[15:] == b"R":
        return inf
    offset = timedelta(minutes=15 * int(written[13:15])) * (1 if written[15:] == b"+" else -1)
    try:
        local = datetime.strptime(written[:12].decode(), "%y%m%d%H%M%S").replace(tzinfo=timezone(offset))
    except ValueError as exc:
        raise wire.Malformed(wire.RINVEXPIRY) from exc
    return local.astimezone(UTC).timestamp() + int(written[12:13]) / 10
