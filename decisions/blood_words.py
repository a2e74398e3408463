"""What people write for a blood type: "A型", "O型Rh阳性", "AB−", "熊猫血", "０型", "未知" and nothing at all."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from schemas.words import ABO, RhD

_UNKNOWN: Final = frozenset(
    "- -- / ? 未知 不详 不明 不知道 不清楚 未检 未检测 未测 待查 无 UNKNOWN NONE NULL N/A NA".split()  # noqa: SIM905
) | {""}
_NOISE: Final = re.compile(r"^(?:ABO)?血型:?|^BLOOD(?:TYPE|GROUP)?:?|[\s_,、;()\[\]]+")
_DASHES: Final = re.compile(r"[\u2010-\u2015\u2212]")
_RHD_WORDS: Final = {
    RhD.DEL: ("DEL型", "DEL"),
    RhD.WEAK: ("弱D型", "弱D", "D弱阳性", "WEAKD"),
    RhD.POSITIVE: ("+", "阳性", "阳", "POSITIVE", "POS"),
    RhD.NEGATIVE: ("-", "阴性", "阴", "NEGATIVE", "NEG"),
}
_RHD_OF: Final = {word: rhd for rhd, words in _RHD_WORDS.items() for word in words} | {"熊猫血": RhD.NEGATIVE}
_RHD: Final = (
    r"(?:RH(?:因子|血型)?D?|D)?:?(?P<{name}>"
    + "|".join(re.escape(word) for word in sorted(_RHD_OF, key=len, reverse=True))
    + r")(?:血|型)?"
)
_GROUP: Final = r"(?P<{name}>AB|A|B|O|0)(?P<{name}_sub>亚型|[0-9X]|EL)?(?:型|血|GROUP|TYPE)*"
_ABO_FIRST: Final = re.compile(_GROUP.format(name="abo") + "(?:" + _RHD.format(name="rhd") + ")?")
_RHD_FIRST: Final = re.compile(_RHD.format(name="rhd") + "(?:" + _GROUP.format(name="abo") + ")?")
_BOMBAY: Final = re.compile(r"(?:类|副)?孟买(?:血)?型?|OH型?|BOMBAY")
_PLAIN_SUBGROUPS: Final = ("1",)  # A1 is the ordinary A


@dataclass(frozen=True, slots=True)
class BloodWords:
    """What was understood.  `subtype` names a group that must not count as a plain one: `A2`, `Oh`."""

    abo: ABO | None = None
    rhd: RhD | None = None
    subtype: str | None = None


NOT_KNOWN: Final = BloodWords()


def blood_of(text: str) -> BloodWords:
    """The blood type in these words; `NOT_KNOWN` where they say so.  Raises `ValueError` if they make no sense."""
    words = _plain(text)
    if words in _UNKNOWN:
        return NOT_KNOWN
    if _BOMBAY.fullmatch(words):
        # No H antigen: such a donor fits neither O nor anybody else, so no ABO group is kept.
        return BloodWords(subtype="Oh")
    found = _ABO_FIRST.fullmatch(words) or _RHD_FIRST.fullmatch(words)
    if found is None:
        raise ValueError("no blood type")
    return BloodWords(_abo(found["abo"]), _RHD_OF[found["rhd"]] if found["rhd"] else None, _subtype(found))


def rhd_of(text: str) -> RhD | None:
    """The RhD type in these words, none where they say unknown.  Raises `ValueError` for anything else."""
    found = _plain(text)
    if found in _UNKNOWN and found != "-":
        return None
    match = re.fullmatch(_RHD.format(name="rhd"), found)
    if match is None:
        raise ValueError("no RhD type")
    return _RHD_OF[match["rhd"]]


def _plain(text: str) -> str:
    return _NOISE.sub("", _DASHES.sub("-", unicodedata.normalize("NFKC", text)).upper().strip())


def _abo(letters: str | None) -> ABO | None:
    return ABO(letters.replace("0", "O")) if letters else None


def _subtype(found: re.Match[str]) -> str | None:
    suffix = found["abo_sub"]
    if not suffix or suffix in _PLAIN_SUBGROUPS:
        return None
    letters = found["abo"].replace("0", "O")
    return letters + {"亚型": "sub", "X": "x", "EL": "el"}.get(suffix, suffix)
