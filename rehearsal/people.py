"""The simulated people as they truly are: known to their handsets and to nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Numbers

_ABO = ("A", "B", "AB", "O")
_RHD = ("pos", "neg")
_LANGUAGES = ("zh", "en")
_HEADER = "mobile,abo,rhd,language"
_CODES = {
    f"{abo},{rhd},{language}": place
    for place, (abo, rhd, language) in enumerate(
        (abo, rhd, language) for abo in _ABO for rhd in _RHD for language in _LANGUAGES
    )
}
_PERSONS = list(_CODES)


class PeopleUnreadable(Exception):
    """The people file is not what it should be; the message names line and reason, never a number."""


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person's true values."""

    mobile: int
    abo: str
    rhd: str
    language: str


class People:
    """Persons by mobile number, in two columns."""

    def __init__(self, mobiles: Numbers, codes: NDArray[np.uint8]) -> None:
        order = np.argsort(mobiles, kind="stable")
        self._mobiles = mobiles[order]
        self._codes = codes[order]

    @classmethod
    def read(cls, path: Path) -> "People":
        """The people of a file `mobile,abo,rhd,language`.  Raises `PeopleUnreadable`, `OSError`."""
        with path.open(encoding="utf-8") as lines:
            return cls.from_lines(lines)

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> "People":
        rows = iter(lines)
        if next(rows, "").strip().removeprefix("\ufeff") != _HEADER:
            raise PeopleUnreadable(f"line 1 must read {_HEADER}")
        mobiles: list[int] = []
        codes: list[int] = []
        for place, row in enumerate(rows, start=2):
            mobile, _, person = row.rstrip("\r\n").partition(",")
            try:
                codes.append(_CODES[person])
                mobiles.append(int(mobile))
            except (KeyError, ValueError) as exc:
                raise PeopleUnreadable(f"line {place} is not {_HEADER}") from exc
        return cls(np.array(mobiles, dtype=np.uint64), np.array(codes, dtype=np.uint8))

    @classmethod
    def nobody(cls) -> "People":
        return cls(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._mobiles)

    def who(self, mobile: int) -> Person | None:
        """The person with this number."""
        place = int(np.searchsorted(self._mobiles, np.uint64(mobile)))
        if place == len(self._mobiles) or int(self._mobiles[place]) != mobile:
            return None
        abo, rhd, language = _PERSONS[self._codes[place]].split(",")
        return Person(mobile, abo, rhd, language)
