"""The appeal spec: what a duty officer writes down (YAML) before anybody is asked."""

import itertools
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Contract
from schemas.durations import Duration
from schemas.words import ABO, BloodKnown, Channel, Language, Policy, Sex, Written


def _moment_in_words(value: object) -> object:
    if isinstance(value, int | float):  # pydantic would count seconds from 1970
        raise PydanticCustomError("datetime_type", "Input should be a moment in words")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_moment_in_words)]
# YAML reads a code without quotes as a number.
District = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class BloodNeed(Contract):
    """Which blood is needed.  RhD only orders the list unless `rhd_required` is `hard` (domain.md, 1.4)."""

    abo: ABO
    rhd_required: Literal["preferred", "hard"] = "preferred"


class WaveSpec(Contract):
    """Who is asked together.  A wave opens `after` the launch if the need is not met by then."""

    blood: BloodKnown = BloodKnown.KNOWN
    after: Duration = timedelta()
    size: int | None = Field(default=None, ge=1, description="At most so many members; none = everybody who fits")
    channel: Written = Channel.SMS


class Texts(Contract):
    """The words that go out, by language.  What is not given comes from the programme's wording.

    `stand_down` is for those who said yes when enough others are confirmed, `ended` when the appeal ends without that.
    """

    mass: dict[Language, str] = Field(default_factory=dict)
    acknowledgement: dict[Language, str] = Field(default_factory=dict)
    stand_down: dict[Language, str] = Field(default_factory=dict)
    ended: dict[Language, str] = Field(default_factory=dict)


class AppealSpec(Contract):
    """One call for help, ready to be verified and launched."""

    kind: str = Field(default="blood", pattern=r"^[a-z][a-z-]{1,30}$")
    programme: str = Field(pattern=r"^[a-z][a-z-]{1,30}$")
    blood: BloodNeed | None = None
    need: int = Field(ge=1, le=10_000, description="Confirmed people that are needed")
    deadline: Duration | Moment = Field(description="How long after the launch (4h), or a moment with its zone")
    districts: tuple[District, ...] = Field(default=(), description="Names or GB/T 2260 codes; none = everywhere")
    ages: tuple[int, int] | None = Field(default=None, description="Completed years, both ends included")
    sex: Sex | None = None
    skills: tuple[str, ...] = ()
    languages: tuple[Language, ...] = ()
    waves: tuple[WaveSpec, ...] = Field(min_length=1, max_length=20)
    texts: Texts = Texts()
    policy: Policy = Policy.RATHER_MISS
    repeat_after: Duration = Field(
        default=timedelta(minutes=5),
        description="Under `rather-repeat`: how long receipts may settle who is uncertain before they are asked again",
    )

    @field_validator("waves")
    @classmethod
    def _in_order(cls, waves: tuple[WaveSpec, ...]) -> tuple[WaveSpec, ...]:
        if any(later.after < earlier.after for earlier, later in itertools.pairwise(waves)):
            raise ValueError("a wave opens before the one above it: sort the waves by `after`")
        return waves

    @model_validator(mode="after")
    def _ages_in_order(self) -> "AppealSpec":
        if self.ages is not None and self.ages[0] > self.ages[1]:
            raise ValueError("ages: the first number is the youngest, the second the oldest")
        return self
