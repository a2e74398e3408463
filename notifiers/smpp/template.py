"""A letter rendered once: all octets of its submit_sm but the destination and the sequence number."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisions.segments import part_header, segment
from notifiers.ports import Letter
from notifiers.smpp.codec import HEADER, HEADER_SIZE, Address, ShortMessage, TLVs
from notifiers.smpp.dates import absolute_time
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.words import ESM, Command, Tag

RECEIPT_WANTED: Final = 1
_SUBMIT_SM: Final = int(Command.SUBMIT_SM)
_LONGEST_REFERENCE: Final = 255
_SEQUENCE_AT: Final = 12
_WORTH_A_TABLE: Final = 8  # rows
_KEPT: Final = 16  # letters


@dataclass(frozen=True, slots=True)
class Part:
    """The octets around a destination."""

    size: int  # of the whole PDU without the digits of the destination
    head: bytes
    tail: bytes


class Template:
    """The parts of one letter."""

    def __init__(self, parts: Sequence[ShortMessage]) -> None:
        self._parts = [_part(message) for message in parts]

    @property
    def parts(self) -> int:
        return len(self._parts)

    def to(self, numbers: Sequence[bytes]) -> "Sheet":
        return Sheet(self._parts, numbers)


class Sheet:
    """A letter to these numbers.  PDUs are numbered address by address, part by part."""

    def __init__(self, parts: Sequence[Part], numbers: Sequence[bytes]) -> None:
        self._parts = parts
        self._numbers = numbers

    def render(self, indices: Sequence[int], first: int) -> bytes:
        """The PDUs of these indices, with sequence numbers from `first` on."""
        if isinstance(indices, range) and len(indices) >= _WORTH_A_TABLE and self._table is not None:
            rows = self._table[indices.start : indices.stop]
            sequences = np.arange(first, first + len(rows), dtype=">u4")
            rows[:, _SEQUENCE_AT:HEADER_SIZE] = sequences.view(np.uint8).reshape(len(rows), -1)
            return rows.tobytes()
        pack, numbers, parts, count = HEADER.pack, self._numbers, self._parts, len(self._parts)
        pieces: list[bytes] = []
        sequence = first
        for index in indices:
            number = numbers[index // count]
            part = parts[index % count]
            pieces += (pack(part.size + len(number), _SUBMIT_SM, 0, sequence), part.head, number, part.tail)
            sequence += 1
        return b"".join(pieces)

    @cached_property
    def _table(self) -> NDArray[np.uint8] | None:
        """All PDUs as the rows of a table, laid out once; none where they differ in length."""
        numbers, count, digits = self._numbers, len(self._numbers), len(self._numbers[0])
        if len(self._parts) > 1 or set(map(len, numbers)) != {digits}:
            return None
        part = self._parts[0]
        row = HEADER.pack(part.size + digits, _SUBMIT_SM, 0, 0) + part.head + bytes(digits) + part.tail
        table = np.tile(np.frombuffer(row, np.uint8), (count, 1))
        place = HEADER_SIZE + len(part.head)
        table[:, place : place + digits] = np.frombuffer(b"".join(numbers), np.uint8).reshape(count, digits)
        return table


def _part(message: ShortMessage) -> Part:
    # The null that ends the destination begins the tail.
    head, tail = message.head(), b"\0" + message.tail()
    return Part(HEADER_SIZE + len(head) + len(tail), head, tail)


def source_address(settings: SMSSettings, slot: int) -> Address:
    """Access number and slot.  Raises ValueError for a slot that has more digits than there is room for."""
    extension = f"{slot:0{settings.slot_digits}d}" if settings.slot_digits else ""
    if len(extension) > settings.slot_digits:
        raise ValueError(f"slot {slot} does not fit into {settings.slot_digits} digits")
    return Address((settings.access_number + extension).encode(), settings.source_ton, settings.source_npi)


class Composer:
    """Renders letters, and keeps the latest few: a mass letter is sent for every range, in each of its languages."""

    def __init__(self, settings: SMSSettings) -> None:
        self._settings = settings
        self._kept: dict[tuple[Letter, bool], Template] = {}

    def compose(self, letter: Letter, *, concatenation: int, urgent: bool) -> Template:
        """Raises `TextTooLong`; ValueError for a slot or a reference that cannot be sent."""
        if kept := self._kept.get((letter, urgent)):
            return kept
        template = compose(letter, self._settings, concatenation=concatenation, urgent=urgent)
        if template.parts == 1:
            # The parts of a longer message carry a number that no neighbour may have.
            if len(self._kept) == _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[letter, urgent] = template
        return template


def compose(letter: Letter, settings: SMSSettings, *, concatenation: int, urgent: bool) -> Template:
    """Render a letter.  Raises `TextTooLong`; ValueError for a slot or a reference that cannot be sent."""
    wide = settings.concatenation_bits == 16  # noqa: PLR2004
    cut = segment(letter.text, wide=wide)
    total = len(cut.parts)
    plain = ShortMessage(
        source=source_address(settings, letter.slot),
        destination=Address(b"", settings.dest_ton, settings.dest_npi),
        service_type=settings.service_type.encode(),
        priority_flag=int(urgent),
        validity_period=absolute_time(letter.not_after),
        data_coding=int(cut.alphabet),
        tlvs=_references(letter.reference, settings),
    )
    # One receipt a message: the last part stands for all of them, so that receipts and messages count alike.
    wanted = RECEIPT_WANTED if settings.registered_delivery else 0
    if total == 1:
        return Template([replace(plain, octets=cut.parts[0], registered_delivery=wanted)])
    return Template(
        [
            replace(
                plain,
                octets=part_header(concatenation, total, number, wide=wide) + octets,
                esm_class=int(ESM.UDH),
                registered_delivery=wanted if number == total else 0,
            )
            for number, octets in enumerate(cut.parts, start=1)
        ]
    )


def _references(reference: str, settings: SMSSettings) -> TLVs:
    octets = reference.encode("ascii")
    if len(octets) > _LONGEST_REFERENCE:
        raise ValueError(f"a reference takes at most {_LONGEST_REFERENCE} octets")
    found: list[tuple[int, bytes]] = []
    if settings.user_message_reference:
        found.append((Tag.USER_MESSAGE_REFERENCE, (zlib.crc32(octets) & 0xFFFF).to_bytes(2, "big")))
    if settings.reference_tag is not None:
        found.append((settings.reference_tag, octets))
    return tuple(found)
