"""The reasons for which a member is not asked, in their documented order, and how people read them."""

from enum import StrEnum
from typing import Final


class Exclusion(StrEnum):
    """The documented order (docs/cli.md): what the member wants comes first, what the appeal needs comes last."""

    OPTED_OUT = "opted_out"
    NO_CONSENT = "no_consent"
    UNREACHABLE = "unreachable"
    DEFERRED = "deferred"
    ALREADY_ASKED = "already_asked"
    AGE = "age"
    SEX = "sex"
    DISTRICT = "district"
    LANGUAGE = "language"
    SKILLS = "skills"
    BLOOD_UNKNOWN = "blood_type_unknown"
    BLOOD_KNOWN = "blood_type_known"
    BLOOD_OTHER = "blood_type_other"
    RHD = "rhd"


WORDS: Final = {
    Exclusion.OPTED_OUT: "want no such messages",
    Exclusion.NO_CONSENT: "have not agreed to be asked",
    Exclusion.UNREACHABLE: "no number or mailbox, or the number failed",
    Exclusion.DEFERRED: "may not give yet",
    Exclusion.ALREADY_ASKED: "were asked before",
    Exclusion.AGE: "too young, too old, or age unknown",
    Exclusion.SEX: "of the other sex, or sex unknown",
    Exclusion.DISTRICT: "live in other districts, or district unknown",
    Exclusion.LANGUAGE: "read another language",
    Exclusion.SKILLS: "lack a skill that is needed",
    Exclusion.BLOOD_UNKNOWN: "blood group unknown",
    Exclusion.BLOOD_KNOWN: "blood group known; only unknown ones are asked",
    Exclusion.BLOOD_OTHER: "another blood group",
    Exclusion.RHD: "not known to be RhD-negative",
}
