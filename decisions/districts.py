"""The districts of Beijing by GB/T 2260 code, and the ways in which people write them."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class District:
    """`residents` counts thousands, census of 2020; `former` are codes and names that were merged into this one."""

    code: str
    zh: str
    en: str
    residents: int
    former: tuple[str, ...]


class Districts:
    """Finds a district by code (also a former one) or by its Chinese or English name."""

    def __init__(self, districts: tuple[District, ...]) -> None:
        self.all = districts
        self._by_word = _words(districts)

    def find(self, text: str) -> District | None:
        """The district that this means; none if it is no district of Beijing."""
        return self._by_word.get(_plain(text))


@cache
def load_districts() -> Districts:
    """The table that comes with Muster."""
    text = resources.files("decisions").joinpath("districts.json").read_text("utf-8")
    return Districts(
        tuple(
            District(row["code"], row["zh"], row["en"], row["residents"], tuple(row.get("former", ())))
            for row in json.loads(text)
        )
    )


_NOISE = re.compile(r"^(?:北京市|北京|BEIJING(?:CITY)?|中国北京市?)|(?:区|县|DISTRICT|COUNTY)$")


def _plain(text: str) -> str:
    folded = re.sub(r"[\s,·'\-]+", "", unicodedata.normalize("NFKC", text).upper())
    return _NOISE.sub("", folded)


def _words(districts: tuple[District, ...]) -> Mapping[str, District]:
    return {
        _plain(word): district
        for district in districts
        for word in (district.code, district.zh, district.en, *district.former)
    }
