"""Receipts by the hundred thousand.

Those of one mass message are alike but for the address and the id, which stands in the text and, where the gateway
sends optional parameters, once more there.  So receipts of one length are laid under each other as the rows of a table;
rows that are the same in all other columns are read once.  Whatever does not fit this picture is read one by one.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decisions.mobiles import mobiles_of
from notifiers.ports import Bodies, Receipt, Receipts
from notifiers.smpp.codec import HEADER_SIZE, ProtocolError, ShortMessage, pdus_of
from notifiers.smpp.incoming import member_address
from notifiers.smpp.receipts import is_receipt_body, read_receipt, same_id
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.words import Command, Tag

# What stands before the id in the parameter that repeats it, less the parameter's length.
_NAMES_THE_MESSAGE: Final = int(Tag.RECEIPTED_MESSAGE_ID).to_bytes(2, "big")
_WORTH_A_TABLE: Final = 4
_MOST_KNOWN: Final = 10_000
_NUMBERING: Final = b"\x01\x01"  # type of number and numbering plan, whatever they are, before the digits
_DELIVER_SM: Final = int(Command.DELIVER_SM)
_LINE_END, _SPACE, _ZERO, _NINE = 0x0A, 0x20, 0x30, 0x39
Table = NDArray[np.uint8]
_CHINA: Final = np.frombuffer(b"86", np.uint8)
_INTERNATIONAL: Final = 13  # digits of a mobile with them


class Run(NamedTuple):
    """Receipts that came one after the other, and their sequence numbers."""

    sequences: NDArray[np.uint32]
    bodies: Bodies


def receipt_run(buffer: bytes, at: int, length: int) -> Run | None:
    """The receipts that follow each other here: all deliver_sm of one length with the
    fields before the message class where the first has them.  None where that is not so: then they are read one by one.
    """  # noqa: D205
    count = (len(buffer) - at) // length
    body = buffer[at + HEADER_SIZE : at + length]
    if count < _WORTH_A_TABLE or not is_receipt_body(body):
        return None
    pdus = np.frombuffer(buffer, pdus_of(length), count, at)
    table = pdus["body"].copy().view(np.uint8).reshape(count, -1)
    begin = body.find(0) + 1 + len(_NUMBERING)
    address = slice(begin, body.find(0, begin))
    until = body.find(0, address.stop + 1 + len(_NUMBERING)) + 2  # past the message class
    same = table[:, :until] == table[0, :until]
    same[:, address] = (table[:, address] >= _ZERO) & (table[:, address] <= _NINE)
    good = same.all(axis=1) & (pdus["length"] == length) & (pdus["command"] == _DELIVER_SM)
    if not good.all():
        count = int(good.argmin())
    if not count:
        return None
    return Run(pdus["sequence"][:count].astype(np.uint32), Bodies(length - HEADER_SIZE, table[:count].tobytes()))


class Columns(NamedTuple):
    """Where address and id stand in a body; `again` is where the id is repeated, -1 where it is not."""

    address: slice
    id: slice
    again: int


class ReceiptReader:
    """Reads the bodies of deliver_sm that are receipts."""

    def __init__(self, settings: SMSSettings) -> None:
        self._settings = settings
        self._known: dict[bytes, Receipt] = {}  # by all that is not id or address

    def read(self, bodies: Sequence[Bodies]) -> list[Receipts]:
        """All of them, in groups that say the same.  One that names no message or no state, or is no SMPP, is left out."""
        by_size: defaultdict[int, list[bytes]] = defaultdict(list)
        for some in bodies:
            by_size[some.size].append(some.octets)
        found: list[Receipts] = []
        for size, octets in by_size.items():
            alike = Bodies(size, b"".join(octets))
            columns = _columns(alike.octets[:size]) if alike.count >= _WORTH_A_TABLE else None
            if columns is None:
                found += self._one_by_one(alike.each())
            else:
                found += self._as_table(alike, columns)
        return found

    def _as_table(self, bodies: Bodies, columns: Columns) -> list[Receipts]:
        table = np.frombuffer(bodies.octets, np.uint8).reshape(bodies.count, -1)
        rest = table.copy()
        rest[:, columns.address] = rest[:, columns.id] = 0
        if columns.again >= 0:
            rest[:, _again(columns)] = 0
        if _all_alike(table, rest, columns):  # nearly always
            said = self._said(rest[0].tobytes(), table[0].tobytes(), columns)
            if said is not None:
                return [self._group(said, table, columns)]
        regular = _regular(table, columns)
        found: list[Receipts] = []
        odd, left = ~regular, regular
        while left.any():
            first = int(left.argmax())
            mine = left & (rest == rest[first]).all(axis=1)
            left = left & ~mine
            said = self._said(rest[first].tobytes(), table[first].tobytes(), columns)
            if said is None:
                odd |= mine
            else:
                found.append(self._group(said, table[mine], columns))
        return found + self._one_by_one([table[place].tobytes() for place in np.flatnonzero(odd).tolist()])

    def _group(self, said: Receipt, table: Table, columns: Columns) -> Receipts:
        ids = _lines_of(table[:, columns.id]).split("\n")
        return Receipts(said, self._spell(ids, columns), _member_addresses(table[:, columns.address]))

    def _said(self, rest: bytes, body: bytes, columns: Columns) -> Receipt | None:
        """What all say that are the same as this one in the rest; none when the columns are not where they seemed."""
        known = self._known.get(rest)
        if known is not None:
            return known
        receipt = _read(body, self._settings)
        seen = [body[column].decode("latin-1") for column in (columns.id, columns.address)]
        if receipt is None or [receipt.gateway_id, receipt.address] != [*self._spell(seen[:1], columns), seen[1]]:
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()  # the minute that stands in them is over
        self._known[rest] = receipt
        return receipt

    def _spell(self, ids: list[str], columns: Columns) -> list[str]:
        form = self._settings.response_ids if columns.again >= 0 else self._settings.receipt_ids
        return ids if form == "text" else [same_id(each, form) for each in ids]

    def _one_by_one(self, bodies: Sequence[bytes]) -> list[Receipts]:
        receipts = [receipt for body in bodies if (receipt := _read(body, self._settings)) is not None]
        return [Receipts(receipt, [receipt.gateway_id], [member_address(receipt.address)]) for receipt in receipts]


def _read(body: bytes, settings: SMSSettings) -> Receipt | None:
    try:
        return read_receipt(ShortMessage.decode(body), settings)
    except ProtocolError:
        return None


def _columns(body: bytes) -> Columns | None:
    begin = body.find(0) + 1 + len(_NUMBERING)
    end = body.find(0, begin)
    first = body.find(b"id:", end) + len(b"id:")
    last = body.find(b" ", first)
    if not len(_NUMBERING) < begin < end < first < last:
        return None
    again = body.find(body[first:last], last)
    if again < 0 or body[again - 4 : again - 2] != _NAMES_THE_MESSAGE:
        again = -1
    return Columns(slice(begin, end), slice(first, last), again)


def _again(columns: Columns) -> slice:
    return slice(columns.again, columns.again + columns.id.stop - columns.id.start)


def _all_alike(table: Table, rest: Table, columns: Columns) -> bool:
    """Whether all rows are the same in the rest, and regular: looked at as a whole, which is quicker than row by row."""
    digits, ids = table[:, columns.address], table[:, columns.id]
    return bool(
        rest.tobytes() == rest[0].tobytes() * len(rest)
        and digits.min() >= _ZERO
        and digits.max() <= _NINE
        and ids.min() > _SPACE
        and (columns.again < 0 or (ids == table[:, _again(columns)]).all())
    )


def _regular(table: Table, columns: Columns) -> NDArray[np.bool_]:
    """Which rows have nothing but digits in the address, and one word, twice the same, for the id."""
    digits, ids = table[:, columns.address], table[:, columns.id]
    good = [(digits >= _ZERO).all(axis=1), (digits <= _NINE).all(axis=1), (ids > _SPACE).all(axis=1)]
    if columns.again >= 0:
        good.append((ids == table[:, _again(columns)]).all(axis=1))
    regular: NDArray[np.bool_] = np.logical_and.reduce(good)
    return regular


def _lines_of(column: Table) -> str:
    """The words of one column, a line each; none of them has a space or less."""
    lines = np.full((len(column), column.shape[1] + 1), _LINE_END, np.uint8)
    lines[:, :-1] = column
    return lines.tobytes().decode("latin-1")[:-1]


def _member_addresses(digits: Table) -> list[str]:
    chinese = digits.shape[1] == _INTERNATIONAL and bool((digits[:, : len(_CHINA)] == _CHINA).all())
    found = mobiles_of(_lines_of(digits[:, len(_CHINA) :] if chinese else digits))
    return found or [member_address(each) for each in _lines_of(digits).split("\n")]
