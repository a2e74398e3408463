"""What all that crosses the wire has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST_BATCH = 8192  # members
MemberId = Annotated[
    int, Field(gt=0, description="Surrogate id: the only identity of a member that may leave the registry")
]
AppealId = Annotated[str, Field(pattern=r"^a-[0-9a-z-]{4,40}$")]
RequestId = Annotated[str, Field(pattern=r"^r-[0-9a-z-]{4,40}$")]
Shard = Annotated[int, Field(ge=0)]
WaveNumber = Annotated[int, Field(ge=0, description="1 is the first wave; 0 stands for messages outside any wave")]
Count = Annotated[int, Field(ge=0)]


class Contract(BaseModel):
    """Base of everything that crosses a boundary: frozen, and strict about unknown fields where we write.

    The one reader (`schemas.reader`) passes `extra="ignore"`, so that a field added by a newer worker does no harm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Contract):
    """A fact, named in the past tense."""


class Command(Contract):
    """An order.  It says who gave it and whether it belongs to a drill."""

    given_by: str = Field(min_length=1, max_length=64, description="Staff account or component, never a member")
    drill: bool = False
