"""What a preview found, for programs and for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from registry.audience.reasons import WORDS, Exclusion
from schemas.durations import write_duration
from schemas.words import CHANNEL_NAMES, Channel

NOT_NEEDED: Final = "not_needed"  # they fit, and the size of the waves leaves them out
_WORDS: Final = {
    **{reason.value: words for reason, words in WORDS.items()},
    NOT_NEEDED: "would fit; the waves are not that large",
}


_REMEDIES: Final[Mapping[str, str]] = {
    Exclusion.NO_CONSENT: "members agree by purpose; import their consents (docs/cli.md)",
    Exclusion.UNREACHABLE: "import their numbers, or ask through another channel",
    Exclusion.AGE: "widen the ages",
    Exclusion.SEX: "leave out sex",
    Exclusion.DISTRICT: "widen the districts",
    Exclusion.LANGUAGE: "leave out languages",
    Exclusion.SKILLS: "leave out a skill",
    Exclusion.BLOOD_UNKNOWN: "add a wave with blood: unknown",
    Exclusion.BLOOD_KNOWN: "add a wave with blood: known",
}


@dataclass(frozen=True, slots=True)
class Wave:
    """`fit` members could be asked, the wave's size lets `matched` be, and `messages` numbers or mailboxes are theirs."""

    number: int
    after: timedelta
    channel: Channel
    fit: int
    matched: int
    messages: int
    parts: int  # what the gateway counts; an e-mail has none


@dataclass(frozen=True, slots=True)
class Preview:
    """Members are people, messages are numbers: two members with one mobile get one message per wave."""

    members: int
    waves: tuple[Wave, ...]
    excluded: Mapping[str, int]
    segments: int  # of the longest text that somebody would get
    rate: float  # parts a second
    rate_known: bool

    @property
    def matched(self) -> int:
        """Everybody whom some wave would ask; with `excluded` it adds up to `members`."""
        return sum(wave.matched for wave in self.waves)

    @property
    def messages(self) -> int:
        return sum(wave.messages for wave in self.waves)

    @property
    def estimated_seconds(self) -> float:
        """All waves' sending at the gateway's rate, without the time between waves."""
        return round(sum(wave.parts for wave in self.waves) / self.rate, 3)

    def as_json(self) -> dict[str, object]:
        return {
            "members": self.members,
            "matched": self.matched,
            "excluded": dict(self.excluded),
            "messages": self.messages,
            "segments": self.segments,
            "estimated_seconds": self.estimated_seconds,
            "waves": [
                {
                    "wave": wave.number,
                    "after": write_duration(wave.after),
                    "channel": wave.channel.value,
                    "fit": wave.fit,
                    "matched": wave.matched,
                    "messages": wave.messages,
                }
                for wave in self.waves
            ],
        }

    def as_table(self) -> Group:
        """For people, in 80 columns: who is asked when, who is not and why, how long the sending takes."""
        title = Text.assemble(
            (f"{self.members:,}", "bold"), " members, ", (f"{self.matched:,}", "bold"), " would be asked"
        )
        return Group(title, "", self._wave_table(), "", *self._reasons(), self._sending())

    def _wave_table(self) -> Table:
        table = Table("wave", "opens", "by", box=None, padding=(0, 2), header_style="dim")
        for name in ("who fit", "asked", "messages"):
            table.add_column(name, justify="right")
        for wave in self.waves:
            opens = f"{write_duration(wave.after)} later" if wave.after else "at once"
            counts = (wave.fit, wave.matched, wave.messages)
            table.add_row(
                str(wave.number), opens, CHANNEL_NAMES[wave.channel].english, *(f"{count:,}" for count in counts)
            )
        return table

    def _reasons(self) -> list[Table | str]:
        if not self.excluded:
            return []
        table = Table("not asked", "why (each member once)", box=None, padding=(0, 2), header_style="dim")
        table.columns[0].justify = "right"
        for reason, count in self.excluded.items():
            table.add_row(f"{count:,}", _WORDS[reason])
        return [table, ""]

    def _sending(self) -> Text:
        if not self.members:
            return Text("There are no members yet: muster members import FILE", "yellow")
        if not self.messages:
            most = max(self.excluded, key=lambda reason: self.excluded[reason], default="")
            return Text(f"Nobody would be asked: {_REMEDIES.get(most, 'see the reasons above')}.", "yellow")
        parts = "one part" if self.segments == 1 else f"{self.segments} parts"
        supposed = "" if self.rate_known else "\nThat rate is only supposed: MUSTER_SMS__RATE sets the gateway's."
        length = "less than a second" if self.estimated_seconds < 1 else _length(self.estimated_seconds)
        return Text(f"A message has {parts}; sending takes {length} at {self.rate:,.0f} parts/s.{supposed}")


def _length(seconds: float) -> str:
    return f"about {write_duration(timedelta(seconds=ceil(seconds)))}"
