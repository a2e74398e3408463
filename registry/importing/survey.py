"""A first look through a file: what it is, how it is written, and which card numbers come more than once."""

import codecs
import csv
import hashlib
import os
import re
import stat
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from decisions.cards import LONGEST, SHORTEST, card_of
from registry.importing.errors import UnusableFile
from registry.importing.fields import FIELDS, Field, field_of, known
from registry.importing.records import blocks

BLOCK: Final = 1 << 22
_SEPARATORS: Final = (",", "\t", ";")
_CERTAINLY_UTF8: Final = 4  # characters beyond ASCII before the first wrong byte; GB18030 rarely gets through two
_BINARY: Final = re.compile(rb"[\x01-\x08\x0e-\x19]")
_SAVE_AS: Final = "save it as CSV UTF-8 and import that"


@dataclass(frozen=True, slots=True)
class Survey:
    """`columns` has a field, or none, for each header; `last_lines` the last line of each card that comes again."""

    path: Path
    size: int
    digest: str
    encoding: str
    separator: str
    columns: tuple[Field | None, ...]
    unknown_headers: tuple[str, ...]
    offset: int
    line: int
    last_lines: Mapping[str, int]


def survey(path: Path) -> Survey:
    """What must be known before the first row is read.  Raises `UnusableFile`; reads the file twice, writes nothing."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnusableFile(f"{path.name} is no file: name a CSV file")
            return _survey(file, path, status.st_size)
    except IsADirectoryError as exc:
        raise UnusableFile(f"{path.name} is a folder: name a CSV file") from exc
    except FileNotFoundError as exc:
        raise UnusableFile(f"{path} does not exist: check the name") from exc
    except OSError as exc:
        raise UnusableFile(f"{path.name} cannot be read ({exc.strerror}): check its permissions") from exc


def _survey(file: BinaryIO, path: Path, size: int) -> Survey:
    start = file.read(4096)
    _refuse_other_kinds(start)
    bom = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
    encoding, digest = _read_through(file, bom=bool(bom))
    first = next(blocks(file, offset=bom, line=1, size=1, separator=","), None)
    if first is None or not first.records[0].strip():
        raise UnusableFile(f"the first line is empty: it must hold the column names, such as {_example()}")
    separator, headers = _headers(first.records[0], encoding)
    columns = _columns(headers)
    card = next(number for number, field in enumerate(columns) if field and field.required)
    offset, line = bom + len(first.records[0]), 1 + first.records[0].count(b"\n")
    cards = Cards(file, encoding=encoding, separator=separator, column=card, offset=offset, line=line)
    return Survey(
        path=path,
        size=size,
        digest=digest,
        encoding=encoding,
        separator=separator,
        columns=columns,
        unknown_headers=tuple(header for header, field in zip(headers, columns, strict=True) if field is None),
        offset=offset,
        line=line,
        last_lines=cards.last_lines(),
    )


def _refuse_other_kinds(start: bytes) -> None:
    if not start:
        raise UnusableFile(f"the file is empty: its first line must hold the column names, such as {_example()}")
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnusableFile(f"this is a workbook, not a CSV file: open it in Excel or WPS and {_SAVE_AS}")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start.split(b"\n", 1)[0]:
        raise UnusableFile(f"the file is not written in UTF-8 or GB18030 (it looks like UTF-16): {_SAVE_AS}")
    if _BINARY.search(start.split(b"\n", 1)[0]):
        raise UnusableFile(f"this is no text file: name a CSV file, or open it where it comes from and {_SAVE_AS}")
    if b"\r" in start and b"\n" not in start:
        raise UnusableFile(f"the lines end in CR only, as on very old Macs: {_SAVE_AS}")


def _read_through(file: BinaryIO, *, bom: bool) -> tuple[str, str]:
    """The encoding and the digest of the whole file.  Single bad characters of a UTF-8 file do not make it GB18030."""
    file.seek(0)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, beyond_ascii = "utf-8", 0
    while chunk := file.read(BLOCK):
        digest.update(chunk)
        if encoding != "utf-8" or beyond_ascii > _CERTAINLY_UTF8 or bom:
            continue
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as exc:
            good = exc.object[: exc.start].decode("utf-8", "replace")
            beyond_ascii += _beyond_ascii(good)
            encoding = "utf-8" if beyond_ascii > _CERTAINLY_UTF8 else "gb18030"
        else:
            beyond_ascii += _beyond_ascii(text)
    return encoding, digest.hexdigest()


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _headers(record: bytes, encoding: str) -> tuple[str, list[str]]:
    try:
        text = record.decode(encoding)
    except UnicodeDecodeError as exc:
        raise UnusableFile(f"the column names are written in neither UTF-8 nor GB18030: {_SAVE_AS}") from exc
    choices = {separator: next(csv.reader([text], delimiter=separator)) for separator in _SEPARATORS}
    separator = max(choices, key=lambda choice: known(choices[choice]))
    return separator, choices[separator]


def _columns(headers: Sequence[str]) -> tuple[Field | None, ...]:
    columns = tuple(field_of(header) for header in headers)
    for field in FIELDS:
        places = [header.strip() for header, column in zip(headers, columns, strict=True) if column is field]
        if len(places) > 1:
            raise UnusableFile(f"the columns {' and '.join(places)} mean the same: keep one of them")
        if field.required and not places:
            names = " or ".join((field.headers[0], field.name))
            raise UnusableFile(
                f"no column is called {names}: name it so in the first line, such as {_example()}; "
                f"if it is there, the file is in another encoding: {_SAVE_AS}"
            )
    return columns


def _example() -> str:
    return ",".join(field.headers[0] for field in FIELDS[:3])


@dataclass(frozen=True, slots=True)
class Cards:
    """The card numbers of a file, read without reading the rest of the rows."""

    file: BinaryIO
    encoding: str
    separator: str
    column: int
    offset: int
    line: int

    def last_lines(self) -> dict[str, int]:
        """The line of the last row of each card that comes more than once."""
        # Hashes first: millions of numbers would not fit beside everything else, and repeated ones are few.
        hashes = array("q")
        for cards, _lines in self._blocks():
            hashes.extend(map(hash, cards))
        ordered = np.sort(np.frombuffer(hashes, dtype=np.int64)) if hashes else np.empty(0, np.int64)
        repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist()) - {hash(None)}
        return self._lines_of(repeated) if repeated else {}

    def _lines_of(self, hashes: set[int]) -> dict[str, int]:
        last: dict[str, int] = {}
        seen: set[str] = set()
        for cards, lines in self._blocks():
            for card, line in zip(cards, lines, strict=True):
                if card is not None and hash(card) in hashes:
                    if card in seen:
                        last[card] = line
                    seen.add(card)
        return last

    def _blocks(self) -> Iterator[tuple[list[str | None], Sequence[int]]]:
        found = blocks(self.file, offset=self.offset, line=self.line, size=BLOCK, separator=self.separator)
        for block in found:
            plain = None if block.quoted else self._plain_cards(block.records)
            cards = plain or [self._card(record) for record in block.records]
            for broken in block.unclosed:
                cards[broken] = None
            yield cards, block.lines

    def _plain_cards(self, records: list[bytes]) -> list[str | None] | None:
        """The card numbers, if no row of these needs a closer look."""
        separator, column = self.separator.encode(), self.column
        try:
            cells = [record.split(separator, column + 1)[column] for record in records]
        except IndexError:
            return None
        together = b",".join(cells).decode("latin-1")
        if not (together.isascii() and together.replace(",", "").isalnum()):
            return None
        numbers = together.upper().split(",")
        lengths = set(map(len, numbers))
        # What `card_of` says of each, in one sweep where it finds nothing to mend and nothing to refuse.
        if len(numbers) != len(cells) or min(lengths) < SHORTEST or max(lengths) > LONGEST:
            return None
        return list(numbers)

    def _card(self, record: bytes) -> str | None:
        try:
            if b'"' not in record:
                cell = record.split(self.separator.encode(), self.column + 1)[self.column]
                return card_of(cell.decode(self.encoding))
            return card_of(next(csv.reader([record.decode(self.encoding)], delimiter=self.separator))[self.column])
        except (UnicodeDecodeError, IndexError, StopIteration, csv.Error):
            return None  # the row is rejected when it is read
