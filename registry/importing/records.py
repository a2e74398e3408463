"""Cuts a CSV file into records without understanding them, so that every record knows its physical line.

Works on bytes: neither UTF-8 nor GB18030 uses the codes of quotes, separators and line ends within a character.  A
quote that is never closed would swallow the rest of the file; it costs only its own line here.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

_QUOTE: Final = b'"'
_LONGEST: Final = 50  # physical lines of one record; more means that a quote was not closed


@dataclass(frozen=True, slots=True)
class Block:
    """Records that follow one another: bytes, first lines, which have an unclosed quote; and where the next begins.

    `quoted` says whether there is any quote among them.
    """

    records: list[bytes]
    lines: Sequence[int]
    unclosed: frozenset[int]
    end: int
    next_line: int
    quoted: bool


def blocks(file: BinaryIO, *, offset: int, line: int, size: int, separator: str) -> Iterator[Block]:
    """The records from this offset on, which is the start of this physical line, in blocks of about `size` bytes."""
    file.seek(offset)
    while text := file.read(size):
        text += file.readline()
        lines = BytesIO(text).readlines()
        if _QUOTE in text:
            block = _cut_quoted(file, lines, offset, line, separator)
        else:
            following = line + len(lines)
            block = Block(lines, range(line, following), frozenset(), offset + len(text), following, quoted=False)
        yield block
        offset, line = block.end, block.next_line


def _cut_quoted(file: BinaryIO, lines: list[bytes], offset: int, line: int, separator: str) -> Block:
    records: list[bytes] = []
    starts: list[int] = []
    unclosed: list[int] = []
    position = 0
    while position < len(lines):
        length = _record_length(file, lines, position, separator)
        starts.append(line + position)
        if length == 0:
            unclosed.append(len(records))
        records.append(b"".join(lines[position : position + max(length, 1)]))
        position += max(length, 1)
    # Lines that were only looked at, in search of a closing quote, belong to this block as well: they are cut above.
    end = offset + sum(map(len, lines))
    return Block(records, starts, frozenset(unclosed), end, line + len(lines), quoted=True)


def _record_length(file: BinaryIO, lines: list[bytes], start: int, separator: str) -> int:
    """How many physical lines the record has that begins here; 0 if its quote is never closed."""
    quotes = 0
    for length in range(1, _LONGEST + 1):
        if start + length > len(lines) and not _read_on(file, lines):
            return 0
        quotes += lines[start + length - 1].count(_QUOTE)
        if quotes % 2 == 0 or (length == 1 and _stands_alone(lines[start], separator)):
            return length
    return 0


def _read_on(file: BinaryIO, lines: list[bytes]) -> bool:
    more = file.readline()
    if more:
        lines.append(more)
    return bool(more)


def _stands_alone(text: bytes, separator: str) -> bool:
    """Whether this line with an odd number of quotes is complete: a quote amid an unquoted cell is an ordinary sign."""
    try:
        next(csv.reader([text.decode("latin-1")], delimiter=separator, strict=True))
    except csv.Error:
        return False
    return True
