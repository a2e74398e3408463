"""Why a member is not asked: each under the first reason that applies, in the order in which they stand here."""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.permissions import blocking, needed
from registry.audience.columns import (
    ABO_CODES,
    LANGUAGE_CODES,
    NEVER,
    REACH_BITS,
    RHD_CODES,
    SEX_CODES,
    Columns,
    Ints,
    days,
)
from schemas.criteria import Criteria
from schemas.words import BloodKnown, Channel, RhD

Mask = NDArray[np.bool_]


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


def exclusions(
    columns: Columns, criteria: Criteria, asked: Ints, skill_bits: int | None
) -> Iterator[tuple[Exclusion, Mask]]:
    """Each reason with the members to whom it applies, whatever else applies to them.

    `asked` are ids that earlier waves asked; `skill_bits` is none when a wanted skill is one that nobody has.
    """
    yield (
        Exclusion.OPTED_OUT,
        (_refusals(columns, criteria.channel) & blocking(criteria.purpose, criteria.channel)) != 0,
    )
    wanted = needed(criteria.purpose, criteria.channel)
    yield Exclusion.NO_CONSENT, (columns["consents"] & wanted) != wanted
    yield Exclusion.UNREACHABLE, (columns["reach"] & REACH_BITS.get(criteria.channel, 0)) == 0
    yield Exclusion.DEFERRED, columns["deferred"] > days(criteria.on)
    if asked.size:
        yield Exclusion.ALREADY_ASKED, np.isin(columns["id"], asked)
    yield from _personal(columns, criteria, skill_bits)
    yield from _blood(columns, criteria)


def _refusals(columns: Columns, channel: Channel) -> NDArray[Any]:
    # Whoever spoke for a number spoke for what is sent to that number, not for a mailbox.
    own = columns["opt_outs"]
    return own if channel is Channel.EMAIL else own | columns["number_opt_outs"]


def _personal(columns: Columns, criteria: Criteria, skill_bits: int | None) -> Iterator[tuple[Exclusion, Mask]]:
    if criteria.ages is not None:
        youngest, oldest = criteria.ages
        born = columns["born"]
        too_young = born > days(_years_before(criteria.on, youngest))
        too_old = born <= days(_years_before(criteria.on, oldest + 1))
        yield Exclusion.AGE, too_young | too_old | (born == NEVER)
    if criteria.sex is not None:
        yield Exclusion.SEX, columns["sex"] != SEX_CODES[criteria.sex]
    if criteria.districts:
        yield Exclusion.DISTRICT, ~np.isin(columns["district"], [int(code) for code in criteria.districts])
    if criteria.languages:
        codes = [LANGUAGE_CODES[language] for language in criteria.languages]
        yield Exclusion.LANGUAGE, ~np.isin(columns["language"], codes)
    if criteria.skills:
        everybody = np.ones(len(columns), np.bool_)
        yield Exclusion.SKILLS, everybody if skill_bits is None else (columns.skills & skill_bits) != skill_bits


def _blood(columns: Columns, criteria: Criteria) -> Iterator[tuple[Exclusion, Mask]]:
    if criteria.abo:
        abo = columns["abo"]
        if criteria.blood_known is BloodKnown.KNOWN:
            yield Exclusion.BLOOD_UNKNOWN, abo == 0
        if criteria.blood_known is BloodKnown.UNKNOWN:
            yield Exclusion.BLOOD_KNOWN, abo != 0
        yield Exclusion.BLOOD_OTHER, ~np.isin(abo, [0, *(ABO_CODES[group] for group in criteria.abo)])
    if criteria.rhd_negative_only:
        yield Exclusion.RHD, columns["rhd"] != RHD_CODES[RhD.NEGATIVE]


def _years_before(day: date, years: int) -> date:
    """The same day so many years earlier; somebody born on 29 February completes the year on 28 February's morrow."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, month=2, day=28)
