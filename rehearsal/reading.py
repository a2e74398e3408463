"""What a person understands from a short message: whether help is asked for, and of whom."""

import re
import unicodedata
from dataclasses import dataclass

_GROUP = r"(?:AB|A|B|O|0)"
_SIGN = r"(?:\s*[+\-−]|\s*Rh\s*D?\s*[(]?[+\-−阴阳][)]?性?)?"
_SEVERAL = rf"{_GROUP}{_SIGN}(?:\s*(?:、|/|,|或|和|及|与|or|and)\s*{_GROUP}{_SIGN})*"
_ASKED = (
    re.compile(rf"(?<![A-Za-z0-9])({_SEVERAL})\s*(?:型|血)"),
    re.compile(rf"(?:[Gg]roups?|[Tt]ypes?|GROUPS?|TYPES?)\s+({_SEVERAL})(?![A-Za-z0-9])"),
    re.compile(rf"(?<![A-Za-z0-9])({_GROUP}[+\-−]|AB|B|O)\s+(?:Rh\S*\s+)?(?:platelets|plasma|blood|donors)"),
    re.compile(r"(?<![A-Za-z0-9])(A)\s+(?:platelets|plasma)"),  # "A blood" may begin any sentence
)
_ONE = re.compile(r"AB|A|B|O|0")
_NEGATIVE = re.compile(
    rf"阴性|Rh\s*D?\s*[(]?[\-−]|Rh\s*D?\s*-?neg|(?<![A-Za-z0-9]){_GROUP}[\-−](?![A-Za-z0-9])", re.IGNORECASE
)
_HOW_TO_SAY_YES = re.compile(
    r"回复?\s*[\"“「]?(?:1|Y|YES|愿意)|reply\s+(?:with\s+)?[\"']?(?:1|y|yes)(?![a-z0-9])", re.IGNORECASE
)
_NEED = re.compile(r"需|求|急|缺|救|need|urgent|help|wanted|can you", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plea:
    """A text that asks for help: of these groups (of anybody when empty), perhaps of RhD-negative people only."""

    groups: frozenset[str]
    negative_only: bool

    def means(self, abo: str, rhd: str) -> bool:
        """Whether a person of this true type is one who is asked for."""
        return (not self.groups or abo in self.groups) and (rhd == "neg" or not self.negative_only)


def understand(text: str) -> Plea | None:
    """The plea in a text; None when it tells nobody how to say yes, as thanks and stand-downs do not."""
    plain = unicodedata.normalize("NFKC", text)
    if not (_HOW_TO_SAY_YES.search(plain) and _NEED.search(plain)):
        return None
    named = {
        group.replace("0", "O")
        for pattern in _ASKED
        for several in pattern.findall(plain)
        for group in _ONE.findall(re.sub(r"Rh\s*D?|or|and", " ", several))
    }
    return Plea(frozenset(named), negative_only=bool(_NEGATIVE.search(plain)))
