"""What one cell means: a function per kind of column, from text to the value that is stored.

Each raises `BadCell` with the reason; the remedy stands in `fields`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from decisions.cards import card_of
from decisions.districts import Districts
from decisions.mobiles import mobile_of
from schemas.words import CHANNEL_NAMES, Channel, Language, Sex


class BadCell(ValueError):
    """A text that makes no sense where it stands; `args[0]` says why, and never quotes it."""


_SPACES: Final = re.compile(r"\s+")
_EMAIL: Final = re.compile(r"[^\s@,;<>()\"\\]+@[^\s@,;<>()\"\\]+\.[^\s@.,;<>()\"\\]{2,}")
_ROUNDED: Final = re.compile(r"[0-9.]+E\+?[0-9]+|[0-9]+\.0+", re.IGNORECASE)
_DAY: Final = re.compile(r"([0-9]{4})(?:-|/|\.|年)([0-9]{1,2})(?:-|/|\.|月)([0-9]{1,2})日?(?:[ T]0{1,2}:00(?::00)?)?")
_COMPACT_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_EARLIEST: Final = date(1900, 1, 1)
_FOR_EVER: Final = date(9999, 12, 31)
_YOUNGEST: Final = 14  # younger ones need a guardian's consent (PIPL 31), which nothing here records
_SKILL_ENDS: Final = re.compile(r"[;；,，、/|]")


def words(choices: Mapping[str, str]) -> Mapping[str, str]:
    """Value by word, from words (with `|` between them) by value."""
    return {word: value for value, line in choices.items() for word in line.split("|")}


SEXES: Final = words({Sex.MALE: "male|m|男|男性", Sex.FEMALE: "female|f|女|女性"})
LANGUAGES: Final = words({Language.CHINESE: "zh|中文|汉语|chinese|zh-cn", Language.ENGLISH: "en|英文|英语|english"})
CHANNELS: Final = {
    **{word.lower(): channel for channel, name in CHANNEL_NAMES.items() for word in (channel, *name)},
    **words({Channel.EMAIL: "邮箱", Channel.HOTLINE: "phone"}),
}
SOURCES: Final = words(
    {
        "laboratory": "laboratory|lab|实验室|检测|化验|血站",
        "self-reported": "self-reported|self|自报|自述|本人",
    }
)
COMPONENTS: Final = words(
    {
        "whole-blood": "whole-blood|whole blood|全血",
        "platelets": "platelets|血小板|单采血小板|机采血小板",
        "plasma": "plasma|血浆|单采血浆",
    }
)
DEFERRALS: Final = words(
    {
        "interval": "interval|间隔期|献血间隔",
        "temporary": "temporary|临时|暂缓",
        "permanent": "permanent|永久",
        "other": "other|其他",
    }
)
YES: Final = frozenset(("yes", "y", "true", "1", "是", "同意", "有", "√", "✓"))
NO: Final = frozenset(("no", "n", "false", "0", "否", "不同意", "无", "×", "x"))


def folded(text: str) -> str:
    """Half-width, lower case, without blanks around it."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def card(text: str) -> str:
    number = card_of(text)
    if number is None:
        raise BadCell("no card number" if text.strip() else "the card number is missing")
    return number


def line(text: str, longest: int) -> str | None:
    """Free text on one line."""
    if not text.isalnum():
        text = _SPACES.sub(" ", text).strip()
        if not text.isprintable():
            raise BadCell("control characters")
    if len(text) > longest:
        raise BadCell(f"more than {longest} characters")
    return unicodedata.normalize("NFC", text) or None


def name(text: str) -> str | None:
    return line(text, 64)


def union(text: str) -> str | None:
    return line(text, 120)


def mobile(text: str) -> str | None:
    number = mobile_of(text)
    if number is None and text.strip():
        raise BadCell(
            "a spreadsheet turned the number into a rounded one" if _ROUNDED.fullmatch(text.strip()) else "no mobile"
        )
    return number


def email(text: str) -> str | None:
    address = folded(text)
    if not address:
        return None
    if len(address) > 254 or not address.isprintable() or not _EMAIL.fullmatch(address):  # noqa: PLR2004 - RFC 5321
        raise BadCell("no e-mail address")
    return address


def one_of(choices: Mapping[str, str]) -> Callable[[str], str | None]:
    """Understands one of these words, or nothing."""

    def understand(text: str) -> str | None:
        word = folded(text)
        if word and word not in choices:
            raise BadCell("an unknown word")
        return str(choices[word]) if word else None

    return understand


def language(text: str) -> str:
    return _LANGUAGE(text) or str(Language.CHINESE)


_LANGUAGE: Final = one_of(LANGUAGES)


def deferral(text: str) -> str | None:
    """A coarse code; what else somebody wrote may be a medical reason, and is not kept."""
    word = folded(text)
    return str(DEFERRALS.get(word, "other")) if word else None


def district(districts: Districts) -> Callable[[str], str | None]:
    def understand(text: str) -> str | None:
        if not text.strip():
            return None
        found = districts.find(text)
        if found is None:
            raise BadCell("no district of Beijing")
        return found.code

    return understand


def day(text: str) -> date | None:
    """A calendar day, or nothing."""
    plain = folded(text)
    if not plain:
        return None
    match = _DAY.fullmatch(plain) or _COMPACT_DAY.fullmatch(plain)
    if match is None:
        raise BadCell("no day")
    year, month, number = map(int, match.groups())
    try:
        found = date(year, month, number)
    except ValueError as exc:
        raise BadCell("a day that is in no calendar") from exc
    if found < _EARLIEST:
        raise BadCell("a day before 1900")
    return found


def past_day(today: date) -> Callable[[str], str | None]:
    def understand(text: str) -> str | None:
        found = day(text)
        if found is not None and found > today:
            raise BadCell("a day in the future")
        return found.isoformat() if found else None

    return understand


def birth_day(today: date) -> Callable[[str], str | None]:
    in_the_past = past_day(today)

    def understand(text: str) -> str | None:
        found = in_the_past(text)
        if found is not None and int(found[:4]) + _YOUNGEST > today.year:
            raise BadCell(f"younger than {_YOUNGEST}")
        return found

    return understand


def deferral_day(text: str) -> str | None:
    if folded(text) in {"永久", "permanent"}:
        return _FOR_EVER.isoformat()
    found = day(text)
    return found.isoformat() if found else None


def skills(text: str) -> str | None:
    """The skills as sorted words with `;` between them."""
    found = sorted({part for part in map(folded, _SKILL_ENDS.split(text)) if part})
    return line(";".join(found), 200)


def yes(text: str) -> bool:
    """Whether it says yes; no and nothing are the same here."""
    word = folded(text)
    if word and word not in YES | NO:
        raise BadCell("neither yes nor no")
    return word in YES
