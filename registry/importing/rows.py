"""From the records of a block to rows that can be stored, column by column, and to what had to be rejected.

Millions of rows pass here: a column is understood in one sweep, and what was understood once (a district, a day, a
combination of consents) is looked up the next time.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from decisions.consents import Statements
from decisions.districts import Districts
from decisions.permissions import EVERYTHING, bit
from registry.importing import cells
from registry.importing.describe import describe
from registry.importing.fields import BY_NAME
from registry.importing.groups import BLOOD, CONSENTS, BadGroup, Blood, ConsentReader, blood
from registry.importing.records import Block
from registry.importing.survey import Survey

# The columns of the members table that a file fills, in the order of a row's values.
STORED: Final = (
    *("card_number", "name", "mobile", "email", "preferred_channel", "language", "sex", "birth_date"),
    *("district", "union_name", "abo", "abo_source", "rhd", "rhd_source", "blood_subtype", "last_donation_on"),
    *("last_donation_component", "deferred_until", "deferral_code", "skills", "consents", "consent_record", "opt_outs"),
)
Values = tuple[Any, ...]
_CACHE: Final = (
    200_000  # understood texts of a column or group that are kept; more than all days that people are born on
)


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


@dataclass(slots=True)
class Chunk:
    """What became of a block.  `records` counts rows that are not blank, good and bad."""

    records: int = 0
    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rejected_lines: set[int] = field(default_factory=set)

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        self.rejected_lines.add(reject.line)


class _Remembered(dict[Any, Any]):
    """What texts mean.  A bad one is remembered as its error."""

    def __init__(self, understand: Callable[[Any], Any]) -> None:
        super().__init__()
        self._understand = understand
        self.any_bad = False

    def __missing__(self, text: Any) -> Any:  # noqa: ANN401 - a cell or a tuple of cells
        try:
            meaning = self._understand(text)
        except ValueError as exc:
            meaning = exc
            self.any_bad = True
        if len(self) < _CACHE:
            self[text] = meaning
        return meaning


class RowReader:
    """Understands the blocks of one file."""

    def __init__(self, survey: Survey, districts: Districts, today: date) -> None:
        self._survey = survey
        self._place = {column.name: place for place, column in enumerate(survey.columns) if column}
        self._single = {name: _Remembered(read) for name, read in _readers(districts, today).items()}
        self._blood = _Remembered(blood)
        self._consents = _Remembered(ConsentReader(today))

    def read(self, block: Block) -> Chunk:
        """The good rows of this block and the reasons for the others."""
        chunk = Chunk()
        lines, table = self._table(block, chunk)
        if table:
            self._understand(lines, table, chunk)
        return chunk

    def _table(self, block: Block, chunk: Chunk) -> tuple[list[int], list[list[str]]]:
        """The rows with the right number of cells, and the lines where they begin."""
        lines, table = [], []
        width = len(self._survey.columns)
        for line, row in zip(block.lines, self._parsed(block, chunk), strict=True):
            if row is None:
                chunk.records += 1
            elif any(row) and any(map(str.strip, row)):
                chunk.records += 1
                if len(row) > width and not any(row[width:]):
                    row = row[:width]  # noqa: PLW2901 - spreadsheets pad rows with empty cells
                if len(row) == width:
                    lines.append(line)
                    table.append(row)
                else:
                    chunk.reject(_ragged(line, len(row), width))
        return lines, table

    def _parsed(self, block: Block, chunk: Chunk) -> Sequence[list[str] | None]:
        """The cells of each record; none for a record that cannot be cut into cells."""
        if not block.unclosed:
            try:
                texts = [record.decode(self._survey.encoding) for record in block.records]
                rows = list(csv.reader(texts, delimiter=self._survey.separator, strict=True))
            except (UnicodeDecodeError, csv.Error):
                pass
            else:
                # A wrong quote can make a row swallow the next one; then the records are looked at one by one.
                if len(rows) == len(texts):
                    return rows
        return [self._cells(block, number, chunk) for number in range(len(block.records))]

    def _cells(self, block: Block, number: int, chunk: Chunk) -> list[str] | None:
        line, encoding = block.lines[number], self._survey.encoding
        if number in block.unclosed:
            chunk.reject(_bad_quotes(line))
            return None
        try:
            text = block.records[number].decode(encoding)
            return next(csv.reader([text], delimiter=self._survey.separator, strict=True), [])
        except UnicodeDecodeError:
            chunk.reject(_undecodable(line, encoding))
        except csv.Error:
            chunk.reject(_bad_quotes(line))
        return None

    def _understand(self, lines: list[int], table: list[list[str]], chunk: Chunk) -> None:
        columns = list(zip(*table, strict=True))
        meanings = {name: self._column(name, lines, columns, chunk) for name in self._single}
        blood_columns = zip(*self._group(BLOOD, self._blood, lines, columns, chunk), strict=True)
        meanings.update(zip(Blood._fields, blood_columns, strict=True))
        said, meanings["consents"], meanings["consent_record"] = zip(
            *self._group(CONSENTS, self._consents, lines, columns, chunk), strict=True
        )
        rows = zip(lines, zip(*(meanings[name] for name in STORED), strict=True), said, strict=True)
        self._refuse_superseded(lines, meanings["card_number"], chunk)
        chunk.rows.extend(Row(*row) for row in rows if row[0] not in chunk.rejected_lines)

    def _column(self, name: str, lines: list[int], columns: Sequence[Sequence[str]], chunk: Chunk) -> Sequence[Any]:
        meaning = self._single[name]
        field_name = _FIELD_OF.get(name, name)
        place = self._place.get(field_name)
        if place is None:
            return [meaning[""]] * len(lines)
        understood = [meaning[text] for text in columns[place]]
        if meaning.any_bad:
            for line, text, value in zip(lines, columns[place], understood, strict=True):
                if isinstance(value, ValueError):
                    chunk.reject(self._bad_cell(line, field_name, text, value))
        return understood

    def _group(
        self,
        names: Sequence[str],
        meaning: _Remembered,
        lines: list[int],
        columns: Sequence[Sequence[str]],
        chunk: Chunk,
    ) -> Sequence[Any]:
        nothing = ("",) * len(lines)
        cells_of = [columns[self._place[name]] if name in self._place else nothing for name in names]
        understood = [meaning[texts] for texts in zip(*cells_of, strict=True)]
        if meaning.any_bad:
            neutral = meaning[("",) * len(names)]
            for number, value in enumerate(understood):
                if isinstance(value, BadGroup):
                    text = cells_of[names.index(value.column)][number]
                    chunk.reject(self._bad_cell(lines[number], value.column, text, value))
                    understood[number] = neutral
        return understood

    def _bad_cell(self, line: int, name: str, text: str, error: ValueError) -> Reject:
        known = BY_NAME[name]
        return Reject(line, known.headers[0], describe(text), str(error), known.remedy)

    def _refuse_superseded(self, lines: list[int], cards: Sequence[Any], chunk: Chunk) -> None:
        last_lines: Mapping[str, int] = self._survey.last_lines
        if not last_lines:
            return
        for line, card in zip(lines, cards, strict=True):
            last = last_lines.get(card, line) if isinstance(card, str) else line
            if last != line:
                chunk.reject(
                    Reject(
                        line,
                        BY_NAME["card_number"].headers[0],
                        describe(card),
                        f"the same card number comes again in line {last}, and the last row counts",
                        "keep one row for each card number",
                    )
                )


# Stored columns that have another name in files.
_FIELD_OF: Final = {"union_name": "union", "opt_outs": "opt_out"}


def _readers(districts: Districts, today: date) -> dict[str, Callable[[str], Any]]:
    """What turns a cell into the value of a stored column, for the columns that stand alone."""
    return {
        "card_number": cells.card,
        "name": cells.name,
        "mobile": cells.mobile,
        "email": cells.email,
        "preferred_channel": cells.one_of(cells.CHANNELS),
        "language": cells.language,
        "sex": cells.one_of(cells.SEXES),
        "birth_date": cells.birth_day(today),
        "district": cells.district(districts),
        "union_name": cells.union,
        "last_donation_on": cells.past_day(today),
        "last_donation_component": cells.one_of(cells.COMPONENTS),
        "deferred_until": cells.deferral_day,
        "deferral_code": cells.deferral,
        "skills": cells.skills,
        "opt_outs": lambda text: bit(EVERYTHING) if cells.yes(text) else 0,
    }


def _ragged(line: int, found: int, width: int) -> Reject:
    return Reject(
        line,
        "",
        f"{found} cells",
        f"the row has {found} cells, the first line names {width}",
        'put cells that contain the separator in "quotes"',
    )


def _bad_quotes(line: int) -> Reject:
    return Reject(
        line, "", "a row", "a quote is not closed, or closed too early", 'write a quote within "quotes" twice: ""'
    )


def _undecodable(line: int, encoding: str) -> Reject:
    return Reject(
        line, "", "bytes", f"not written in {encoding.upper()}", "save the file as CSV UTF-8 and type this row anew"
    )
