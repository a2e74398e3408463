"""Cells that mean something only together: blood with its sources, consents with their days and sources."""

import re
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple, TypeVar

from decisions.blood_words import blood_of, rhd_of
from decisions.consents import SUBJECTS, Statement, Statements, mask_of, merged, render
from registry.importing.cells import NO, SOURCES, YES, BadCell, folded, one_of, past_day

T = TypeVar("T")
BLOOD: Final = ("blood_type", "blood_source", "rhd", "rhd_source")
CONSENTS: Final = (*(f"consent_{subject}" for subject in SUBJECTS), "consent_on", "consent_source")
_SOURCE_WORD: Final = re.compile(r"[\w\-]{1,32}")
_SELF: Final = "self-reported"
_source: Final = one_of(SOURCES)


class BadGroup(ValueError):
    """Cell `column` of a group is bad; `args[0]` says why."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class Blood(NamedTuple):
    """What a row says of a member's blood, in the order of the stored columns."""

    abo: str | None
    abo_source: str | None
    rhd: str | None
    rhd_source: str | None
    blood_subtype: str | None


def blood(cells: tuple[str, ...]) -> Blood:
    """The blood in these four cells.  Raises `BadGroup`."""
    sources = [_named(column, _source, cell) for column, cell in zip(BLOOD[1::2], cells[1::2], strict=True)]
    words = _named("blood_type", blood_of, cells[0])
    alone = _named("rhd", rhd_of, cells[2])
    if words.rhd and alone and words.rhd is not alone:
        raise BadGroup("rhd", "it contradicts the blood type")
    rhd = alone or words.rhd
    abo_source = sources[0] or _SELF
    typed = words.abo is not None or words.subtype is not None
    return Blood(
        str(words.abo) if words.abo else None,
        abo_source if typed else None,
        str(rhd) if rhd else None,
        (sources[1] or abo_source) if rhd else None,
        words.subtype,
    )


class Consent(NamedTuple):
    """What a row says of consents, and how that is stored for a member of whom nothing was known."""

    said: Statements
    mask: int
    record: str | None


class ConsentReader:
    """Reads the consent cells of a row; statements without a day are kept as of today."""

    def __init__(self, today: date) -> None:
        self._today = today.isoformat()
        self._day = past_day(today)

    def __call__(self, cells: tuple[str, ...]) -> Consent:
        """The consents in these cells.  Raises `BadGroup`."""
        on = _named("consent_on", self._day, cells[-2]) or ""
        source = folded(cells[-1]) or "import"
        if not _SOURCE_WORD.fullmatch(source):
            raise BadGroup("consent_source", "more than one word, or signs")
        said = {
            subject: statement
            for subject, cell in zip(SUBJECTS, cells, strict=False)
            if (statement := self._statement(f"consent_{subject}", cell, on, source)) is not None
        }
        stored = merged({}, said, today=self._today)
        return Consent(said, mask_of(stored), render(stored))

    def _statement(self, column: str, cell: str, on: str, source: str) -> Statement | None:
        word = folded(cell)
        if not word:
            return None
        if word in YES or word in NO:
            return Statement(on, source, given=word in YES)
        try:
            return Statement(self._day(cell) or on, source, given=True)
        except BadCell as exc:
            raise BadGroup(column, "neither yes, no nor a day in the past") from exc


def _named(column: str, understand: Callable[[str], T], cell: str) -> T:
    try:
        return understand(cell)
    except ValueError as exc:
        raise BadGroup(column, str(exc)) from exc
