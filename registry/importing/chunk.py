"""What became of a block of records: rows that can be stored, as columns, and the reasons for the others.

Millions of rows pass here, and a column of plain values costs a fraction of as many objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final, NamedTuple

from decisions.consents import Statements
from registry.importing.fields import STORED

Values = tuple[Any, ...]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row, or a cell of it, cannot be imported.  `value` is the class of the value, never the value."""

    line: int
    column: str
    value: str
    reason: str
    remedy: str


class Row(NamedTuple):
    """A row that can be stored.  `said` are its consents as the file states them."""

    line: int
    values: Values
    said: Statements


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that can be stored: parallel sequences, `columns` by the names in `STORED`."""

    lines: Sequence[int]
    columns: Columns
    said: Sequence[Statements]

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Row]:
        values = zip(*(self.columns[name] for name in STORED), strict=True)
        return map(Row, self.lines, values, self.said)

    def where(self, kept: Sequence[bool]) -> "Rows":
        """Those rows for which it says true."""
        columns = {name: list(compress(column, kept)) for name, column in self.columns.items()}
        return Rows(list(compress(self.lines, kept)), columns, list(compress(self.said, kept)))


NO_ROWS: Final = Rows((), dict.fromkeys(STORED, ()), ())


@dataclass(slots=True)
class Chunk:
    """What became of a block.  `records` counts rows that are not blank, good and bad; `end` and `next_line` are its end."""

    end: int
    next_line: int
    records: int = 0
    rows: Rows = NO_ROWS
    rejects: list[Reject] = field(default_factory=list)
    rejected_lines: set[int] = field(default_factory=set)

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        self.rejected_lines.add(reject.line)
