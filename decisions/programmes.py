"""The programmes: which kinds of appeal there are, and what each of them asks of a member.

A programme is a row of the table below and a folder of texts in `decisions/texts/`; nothing else knows its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from schemas.words import Purpose


@dataclass(frozen=True, slots=True)
class AgeRule:
    """Completed years, both ends included, that a law allows from a day on."""

    since: date
    youngest: int
    oldest: int
    source: str


@dataclass(frozen=True, slots=True)
class Programme:
    """One kind of appeal.  `wording` names its folder of texts, `ages` are sorted by the day from which they hold."""

    purpose: Purpose
    zh: str
    en: str
    wording: str
    needs_blood: bool = False
    ages: tuple[AgeRule, ...] = ()

    def ages_on(self, day: date) -> tuple[int, int] | None:
        """The ages that this programme may ask on that day; none if it has no limit."""
        in_force = [rule for rule in self.ages if rule.since <= day]
        return (in_force[-1].youngest, in_force[-1].oldest) if in_force else None


# Nobody is asked who may not give; whether somebody of 56 to 60 has given before is for the blood station to find out.
# The draft of December 2025 (18 to 65) is not in force: it becomes a row here on the day it is adopted.
DONOR_AGES = (
    AgeRule(date(1998, 10, 1), 18, 55, "献血法 (1997)"),
    AgeRule(date(2022, 2, 1), 18, 60, "北京市献血条例 (2021)"),
)

PROGRAMMES: Mapping[str, Programme] = MappingProxyType(
    {
        "platelets": Programme(Purpose.BLOOD, "血小板", "platelets", "platelets", needs_blood=True, ages=DONOR_AGES),
        "whole-blood": Programme(Purpose.BLOOD, "全血", "blood", "whole-blood", needs_blood=True, ages=DONOR_AGES),
    }
)
