"""How the gateway behaves just now: as it was set up, or worse for a while, because a rehearsal asked for it."""

from pydantic import BaseModel, ConfigDict, Field

from rehearsal.smsc.brakes import Brakes, Pacer
from rehearsal.smsc.settings import SimSettings


class Mischief(BaseModel):
    """What can be changed while the gateway runs; what is not named is again as it was set up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: float | None = Field(default=None, ge=0)
    pace: float | None = Field(default=None, ge=0)
    throttle: float | None = Field(default=None, ge=0)
    error_rate: float | None = Field(default=None, ge=0, le=1)
    silent_rate: float | None = Field(default=None, ge=0, le=1)
    trouble_rate: float | None = Field(default=None, ge=0, le=1)
    trouble_status: int | None = Field(default=None, ge=1, le=0x4FF)
    receipts_early: bool | None = None
    receipts_twice: bool | None = None
    # Two deeds that are done once:
    cut: bool = Field(default=False, exclude=True, description="Cut the next link that is used, in the middle of a PDU")
    unknown_receipts: int = Field(
        default=0, ge=0, le=100_000, exclude=True, description="Receipts for nobody's messages"
    )


class Mood:
    """Shared by all parts of one simulator, which ask it each time."""

    def __init__(self, settings: SimSettings) -> None:
        self._usual = settings
        self.cut = False
        self.change(Mischief())

    def change(self, mischief: Mischief) -> None:
        """Behave like this from now on."""
        self.settings = self._usual.model_copy(update=mischief.model_dump(exclude_none=True))
        self.brakes = Brakes(self.settings)
        self.pacer = Pacer(self.settings.pace) if self.settings.pace else None
        self.cut = self.cut or mischief.cut
