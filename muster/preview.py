"""Who would be asked, and who not and why: the same filter that the workers use, before anybody is asked.

The waves are walked in order; a later wave passes over whom an earlier one would ask.  A member whom no wave would ask is
counted under the reason of the last wave, so that matched and excluded add up to all members.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from rich.table import Table
from sqlalchemy import Connection, func, select

from agents.doors import complete, ensure_launchable
from decisions.matching import criteria_for
from decisions.segments import segment
from muster.settings import Settings
from registry.audience.columns import Ints
from registry.audience.index import AudienceIndex
from registry.database import Database
from registry.members import MEMBERS
from schemas.spec import AppealSpec
from schemas.words import Language

SUPPOSED_RATE = 10_000.0  # messages a second, where no contract names one
_IN_ONE_QUERY = 500


@dataclass(frozen=True, slots=True)
class Preview:
    """Members are people, messages are numbers: two members with one mobile get one message."""

    members: int
    waves: tuple[int, ...]
    excluded: dict[str, int]
    messages: int
    segments: int
    estimated_seconds: float

    @property
    def matched(self) -> int:
        return sum(self.waves)

    def as_json(self) -> dict[str, object]:
        return {
            "members": self.members,
            "matched": self.matched,
            "excluded": self.excluded,
            "messages": self.messages,
            "segments": self.segments,
            "estimated_seconds": self.estimated_seconds,
            "waves": [{"wave": number, "matched": matched} for number, matched in enumerate(self.waves, start=1)],
        }

    def as_table(self) -> Table:
        table = Table(box=None, padding=(0, 2), show_header=False, width=76)
        table.add_column(justify="right", style="bold", width=12)
        table.add_column()
        table.add_row(f"{self.members:,}", "members")
        for reason, count in self.excluded.items():
            table.add_row(f"- {count:,}", reason.replace("_", " "), style="dim")
        for number, matched in enumerate(self.waves, start=1):
            table.add_row(f"{matched:,}", f"would be asked in wave {number}")
        parts = "one part" if self.segments == 1 else f"{self.segments} parts"
        table.add_row(f"{self.messages:,}", f"messages of {parts} each, {self.estimated_seconds:g} s of sending in all")
        return table


def preview(database: Database, spec: AppealSpec, settings: Settings, now: datetime) -> Preview:
    """The preview of this spec on the registry as it is now.  Raises `BadSpec` or `DatabaseUnreachable`."""
    ensure_launchable(spec, now)
    with database.snapshot() as connection:
        indexes = AudienceIndex.load_many(connection, range(settings.shards), settings.shards)
        asked = [np.empty(0, np.int64) for _ in indexes]
        waves: list[int] = []
        excluded: dict[str, int] = {}
        for wave in spec.waves:
            criteria = criteria_for(spec, wave, now.date())
            excluded = {}
            fresh: list[Ints] = []
            for index, before in zip(indexes, asked, strict=True):
                for reason, count in index.scan(criteria, before).excluded.items():
                    excluded[reason.value] = excluded.get(reason.value, 0) + count
                limit = len(index) if wave.size is None else math.ceil(wave.size / len(indexes))
                fresh.append(index.select(criteria, before, limit=limit, salt="preview"))
            waves.append(sum(map(len, fresh)) if wave.size is None else min(wave.size, sum(map(len, fresh))))
            asked = [np.concatenate([before, new]) for before, new in zip(asked, fresh, strict=True)]
        excluded.pop("already_asked", None)
        members = sum(len(index) for index in indexes)
        shared = _sharing(connection, np.concatenate(asked))
    rest = members - sum(waves) - sum(excluded.values())
    if rest:
        excluded["not_needed"] = rest  # they fit, and the size of the waves leaves them out
    text = complete(spec).texts.mass[Language.CHINESE]
    messages = sum(waves) - shared
    parts = len(segment(text).parts)
    seconds = messages * parts / (settings.sms.rate or SUPPOSED_RATE)
    counted = {reason: count for reason, count in excluded.items() if count}
    return Preview(members, tuple(waves), counted, messages, parts, round(seconds, 1))


def _sharing(connection: Connection, ids: Ints) -> int:
    """How many of these members get no message of their own, because another of them has the same mobile."""
    sharing = set(connection.execute(select(MEMBERS.c.id).where(MEMBERS.c.mobile_shared)).scalars())
    chosen = [member for member in ids.tolist() if member in sharing]
    numbers: set[str] = set()
    for start in range(0, len(chosen), _IN_ONE_QUERY):
        chunk = chosen[start : start + _IN_ONE_QUERY]
        numbers.update(
            connection.execute(select(func.distinct(MEMBERS.c.mobile)).where(MEMBERS.c.id.in_(chunk))).scalars()
        )
    return len(chosen) - len(numbers)
