"""Who is looked for in one wave: the question that every shard answers."""

from datetime import date

from pydantic import Field

from schemas.base import Contract
from schemas.words import ABO, BloodKnown, Channel, Language, Purpose, Sex


class Criteria(Contract):
    """The filter of one wave.  `on` is the day for ages and deferrals, so that a replay gives the same people."""

    programme: str
    purpose: Purpose
    channel: Channel = Channel.SMS
    on: date
    abo: tuple[ABO, ...] = Field(default=(), description="Groups that match; none = blood does not matter")
    blood_known: BloodKnown = BloodKnown.EITHER
    rhd_negative_only: bool = False
    districts: tuple[str, ...] = ()
    ages: tuple[int, int] | None = None
    sex: Sex | None = None
    skills: tuple[str, ...] = Field(default=(), description="All of them are needed")
    languages: tuple[Language, ...] = Field(default=(), description="One of them is enough")
