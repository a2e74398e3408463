"""Why a member is not asked: each under the first reason that applies, in the order in which they stand here."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisions.permissions import blocking, needed
from registry.audience.columns import (
    ABO_CODES,
    LANGUAGE_CODES,
    REACH_BITS,
    RHD_CODES,
    SEX_CODES,
    Columns,
    Ints,
    day_number,
)
from registry.audience.reasons import Exclusion
from schemas.criteria import Criteria
from schemas.words import BloodKnown, Channel, RhD

Mask = NDArray[np.bool_]
_FEW: Final = 8  # up to so many values one comparison each is quicker than a look-up


def exclusions(
    columns: Columns, criteria: Criteria, asked: Ints, skilled: Mask | None
) -> Iterator[tuple[Exclusion, Mask]]:
    """Each reason with the members to whom it applies, whatever else applies to them.

    `asked` are ids that earlier waves asked; `skilled` says which sets of skills have all that are wanted.
    """
    forbidden = columns["opt_outs"].dtype.type(blocking(criteria.purpose, criteria.channel))
    yield Exclusion.OPTED_OUT, (_refusals(columns, criteria.channel) & forbidden) != 0
    wanted = columns["consents"].dtype.type(needed(criteria.purpose, criteria.channel))
    yield Exclusion.NO_CONSENT, (columns["consents"] & wanted) != wanted
    yield Exclusion.UNREACHABLE, (columns["reach"] & REACH_BITS.get(criteria.channel, REACH_BITS[Channel.SMS])) == 0
    yield Exclusion.DEFERRED, columns["deferred"] > day_number(criteria.on)
    if asked.size:
        yield Exclusion.ALREADY_ASKED, _listed(columns, asked)
    yield from _personal(columns, criteria, skilled)
    yield from _blood(columns, criteria)


def _refusals(columns: Columns, channel: Channel) -> NDArray[Any]:
    # Whoever spoke for a number spoke for what is sent to that number, not for a mailbox.
    own = columns["opt_outs"]
    return own if channel is Channel.EMAIL else own | columns["number_opt_outs"]


def _listed(columns: Columns, ids: Ints) -> Mask:
    # Sorted, they are looked for in neighbouring places.
    at, known = columns.positions(np.sort(ids))
    listed = np.zeros(len(columns), np.bool_)
    listed[at[known]] = True
    return listed


def _personal(columns: Columns, criteria: Criteria, skilled: Mask | None) -> Iterator[tuple[Exclusion, Mask]]:
    if criteria.ages is not None:
        youngest, oldest = criteria.ages
        born = columns["born"]  # 0 when unknown, which is too old for everything
        too_young = born > day_number(_years_before(criteria.on, youngest))
        yield Exclusion.AGE, too_young | (born <= day_number(_years_before(criteria.on, oldest + 1)))
    if criteria.sex is not None:
        yield Exclusion.SEX, columns["sex"] != SEX_CODES[criteria.sex]
    if criteria.districts:
        yield Exclusion.DISTRICT, ~_among(columns["district"], [int(code) for code in criteria.districts])
    if criteria.languages:
        yield Exclusion.LANGUAGE, ~_among(columns["language"], [LANGUAGE_CODES[known] for known in criteria.languages])
    if skilled is not None:
        yield Exclusion.SKILLS, ~skilled[columns["skills"]]


def _blood(columns: Columns, criteria: Criteria) -> Iterator[tuple[Exclusion, Mask]]:
    if criteria.abo:
        abo = columns["abo"]
        if criteria.blood_known is BloodKnown.KNOWN:
            yield Exclusion.BLOOD_UNKNOWN, abo == 0
        if criteria.blood_known is BloodKnown.UNKNOWN:
            yield Exclusion.BLOOD_KNOWN, abo != 0
        yield Exclusion.BLOOD_OTHER, ~_among(abo, [0, *(ABO_CODES[group] for group in criteria.abo)])
    if criteria.rhd_negative_only:
        yield Exclusion.RHD, columns["rhd"] != RHD_CODES[RhD.NEGATIVE]


def _among(column: NDArray[Any], values: Collection[int]) -> Mask:
    if len(values) > _FEW:
        return np.isin(column, list(values))
    found = np.zeros(len(column), np.bool_)
    for value in values:
        found |= column == value
    return found


def _years_before(day: date, years: int) -> date:
    """The same day so many years earlier; somebody born on 29 February completes the year on 28 February's morrow."""
    year = min(max(day.year - years, date.min.year), date.max.year)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)
