"""From the records of a block to rows that can be stored, column by column, and to what had to be rejected.

Millions of rows pass here: a column is understood in one sweep, and what was understood once (a district, a day, a
combination of consents) is looked up the next time.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from decisions.districts import Districts
from decisions.permissions import EVERYTHING, bit
from registry.importing import cells
from registry.importing.chunk import Chunk, Reject, Rows
from registry.importing.describe import describe
from registry.importing.fields import BY_NAME, STORED
from registry.importing.groups import BLOOD, CONSENTS, BadGroup, Blood, ConsentReader, blood
from registry.importing.records import Block
from registry.importing.survey import Survey

_CACHE: Final = (
    200_000  # understood texts of a column or group that are kept; more than all days that people are born on
)
_UNIQUE: Final = frozenset(("card_number", "mobile", "email"))  # hardly ever the same twice: not worth remembering
Understand = Callable[[Any], Any]


class _Remembered(dict[Any, Any]):
    """What texts mean."""

    def __init__(self, understand: Understand) -> None:
        super().__init__()
        self._understand = understand

    def __missing__(self, text: Any) -> Any:  # noqa: ANN401 - a cell or a tuple of cells
        meaning = self._understand(text)
        if len(self) < _CACHE:
            self[text] = meaning
        return meaning


def _remembering(understand: Understand) -> Understand:
    return _Remembered(understand).__getitem__


class RowReader:
    """Understands the blocks of one file."""

    def __init__(self, survey: Survey, districts: Districts, today: date) -> None:
        self._survey = survey
        self._place = {column.name: place for place, column in enumerate(survey.columns) if column}
        self._single = {
            name: read if name in _UNIQUE else _remembering(read) for name, read in _readers(districts, today).items()
        }
        self._blood = _remembering(blood)
        self._consents = _remembering(ConsentReader(today))

    def read(self, block: Block) -> Chunk:
        """The good rows of this block and the reasons for the others."""
        chunk = Chunk(block.end, block.next_line)
        lines, table = self._table(block, chunk)
        if table:
            self._understand(lines, table, chunk)
        return chunk

    def _table(self, block: Block, chunk: Chunk) -> tuple[Sequence[int], Sequence[list[str]]]:
        """The rows with the right number of cells, and the lines where they begin."""
        width, card = len(self._survey.columns), self._place["card_number"]
        parsed = self._parsed(block, chunk)
        lines, table = [], []
        for line, row in zip(block.lines, parsed, strict=True):
            if row is None:
                chunk.records += 1
            elif len(row) == width and row[card].strip():
                lines.append(line)
                table.append(row)
            elif any(map(str.strip, row)):
                if len(row) > width and not any(row[width:]):
                    row = row[:width]  # noqa: PLW2901 - spreadsheets pad rows with empty cells
                if len(row) == width:
                    lines.append(line)
                    table.append(row)
                else:
                    chunk.records += 1
                    chunk.reject(_ragged(line, len(row), width))
        chunk.records += len(table)
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

    def _understand(self, lines: Sequence[int], table: Sequence[list[str]], chunk: Chunk) -> None:
        columns = list(zip(*table, strict=True))
        meanings = {name: self._column(name, lines, columns, chunk) for name in self._single}
        blood_columns = zip(*self._group(BLOOD, self._blood, lines, columns, chunk), strict=True)
        meanings.update(zip(Blood._fields, blood_columns, strict=True))
        said, meanings["consents"], meanings["consent_record"] = zip(
            *self._group(CONSENTS, self._consents, lines, columns, chunk), strict=True
        )
        self._refuse_superseded(lines, meanings["card_number"], chunk)
        rows = Rows(lines, {name: meanings[name] for name in STORED}, said)
        chunk.rows = rows.where([line not in chunk.rejected_lines for line in lines]) if chunk.rejected_lines else rows

    def _column(self, name: str, lines: Sequence[int], columns: Sequence[Sequence[str]], chunk: Chunk) -> Sequence[Any]:
        understand = self._single[name]
        field_name = _FIELD_OF.get(name, name)
        place = self._place.get(field_name)
        if place is None:
            return [understand("")] * len(lines)
        try:
            return list(map(understand, columns[place]))
        except ValueError:  # which one is found out only now: bad cells are rare, and good ones many
            return [
                self._cell(field_name, understand, line, text, chunk)
                for line, text in zip(lines, columns[place], strict=True)
            ]

    def _cell(self, name: str, understand: Understand, line: int, text: str, chunk: Chunk) -> Any:  # noqa: ANN401
        try:
            return understand(text)
        except ValueError as exc:
            chunk.reject(_bad_cell(line, name, text, exc))

    def _group(
        self,
        names: Sequence[str],
        understand: Understand,
        lines: Sequence[int],
        columns: Sequence[Sequence[str]],
        chunk: Chunk,
    ) -> Sequence[Any]:
        nothing = ("",) * len(lines)
        cells_of = [columns[self._place[name]] if name in self._place else nothing for name in names]
        try:
            return list(map(understand, zip(*cells_of, strict=True)))
        except BadGroup:
            return [
                self._group_cells(names, understand, line, texts, chunk)
                for line, texts in zip(lines, zip(*cells_of, strict=True), strict=True)
            ]

    def _group_cells(
        self, names: Sequence[str], understand: Understand, line: int, texts: tuple[str, ...], chunk: Chunk
    ) -> Any:  # noqa: ANN401
        try:
            return understand(texts)
        except BadGroup as exc:
            chunk.reject(_bad_cell(line, exc.column, texts[names.index(exc.column)], exc))
            return understand(("",) * len(names))

    def _refuse_superseded(self, lines: Sequence[int], cards: Sequence[Any], chunk: Chunk) -> None:
        last_lines: Mapping[str, int] = self._survey.last_lines
        if not last_lines:
            return
        for line, card in zip(lines, cards, strict=True):
            last = last_lines.get(card, line)
            if last != line:
                chunk.reject(_superseded(line, card, last))


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


def _bad_cell(line: int, name: str, text: str, error: ValueError) -> Reject:
    known = BY_NAME[name]
    return Reject(line, known.headers[0], describe(text), str(error), known.remedy)


def _superseded(line: int, card: str, last: int) -> Reject:
    return Reject(
        line,
        BY_NAME["card_number"].headers[0],
        describe(card),
        f"the same card number comes again in line {last}, and the last row counts",
        "keep one row for each card number",
    )


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
