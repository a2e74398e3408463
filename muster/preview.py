"""Who would be asked, and who not and why: the same filter that the workers use, before anybody is asked.

The waves are walked in order, with the decider's own cut-off; a later wave passes over whom an earlier one would ask.  A
member who fits no wave is counted under the reason of the wave that came closest to asking: the last in the documented
order (somebody of another blood group is that, also to a wave for those whose group nobody knows).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from agents.doors import complete, ensure_launchable
from decisions.appeals.cutoff import limits
from decisions.matching import criteria_for
from decisions.segments import segment
from muster.preview_view import NOT_NEEDED, Preview, Wave
from muster.settings import Settings
from registry.audience.columns import LANGUAGE_CODES, Ints
from registry.audience.index import REASONS, AudienceIndex, Sifted
from registry.audience.snapshots import Snapshots
from registry.database import Database
from registry.lists import among
from registry.members import MEMBERS
from schemas.criteria import Criteria
from schemas.spec import AppealSpec, WaveSpec
from schemas.words import Channel, Language

SUPPOSED_RATE: Final = 10_000.0  # parts a second, where no contract names a rate
_SALT: Final = "preview"


def preview(database: Database, spec: AppealSpec, settings: Settings, now: datetime) -> Preview:
    """The preview of this spec on the registry as it is now.  Raises `BadSpec` or `DatabaseUnreachable`."""
    ensure_launchable(spec, now)
    with database.snapshot() as connection:
        indexes = _loaded(connection, settings)
        return find(connection, indexes=indexes, spec=spec, settings=settings, now=now)


def _loaded(connection: Connection, settings: Settings) -> Sequence[AudienceIndex]:
    if settings.members_folder is None:
        return AudienceIndex.load_many(connection, range(settings.shards), settings.shards)
    return Snapshots(settings.members_folder, settings.shards).load(connection)[0]


def find(
    connection: Connection, *, indexes: Sequence[AudienceIndex], spec: AppealSpec, settings: Settings, now: datetime
) -> Preview:
    """The same on all shards, which do not change meanwhile."""
    ensure_launchable(spec, now)
    walk = _Walk(indexes, complete(spec), partial(_spared, connection, indexes))
    waves = tuple(walk.ask(n, wave, criteria_for(spec, wave, now.date())) for n, wave in enumerate(spec.waves, start=1))
    return Preview(
        members=sum(map(len, indexes)),
        waves=waves,
        excluded=walk.excluded(),
        segments=walk.longest(),
        rate=settings.sms.rate or SUPPOSED_RATE,
        rate_known=settings.sms.rate is not None,
    )


def _spared(connection: Connection, indexes: Sequence[AudienceIndex], asked: Sequence[Ints]) -> Ints:
    """Those of these members, by shard, who get no message because another one of them has the same mobile."""
    shared = np.concatenate([index.sharing(ids) for index, ids in zip(indexes, asked, strict=True)])
    if not len(shared):
        return shared
    statement = select(MEMBERS.c.id, MEMBERS.c.mobile).where(among(connection, MEMBERS.c.id, shared.tolist()))
    mobile_of = dict(map(tuple, connection.execute(statement)))
    _, first = np.unique(np.array([mobile_of[member] for member in shared.tolist()]), return_index=True)
    return np.delete(shared, first)


class _Walk:
    """Wave after wave over all shards."""

    def __init__(
        self, indexes: Sequence[AudienceIndex], spec: AppealSpec, spared: Callable[[Sequence[Ints]], Ints]
    ) -> None:
        self._indexes = indexes
        self._spared = spared
        self._asked: list[Ints] = [np.empty(0, np.int64) for _ in indexes]
        self._closest = [np.zeros(len(index), np.int8) for index in indexes]
        self._fits = [np.zeros(len(index), np.bool_) for index in indexes]
        self._parts = {language: len(segment(text).parts) for language, text in spec.texts.mass.items()}
        self._told: dict[Language, int] = dict.fromkeys(Language, 0)

    def ask(self, number: int, wave: WaveSpec, criteria: Criteria) -> Wave:
        """Ask nobody, and find out who would be."""
        sifted = [index.sift(criteria, before) for index, before in zip(self._indexes, self._asked, strict=True)]
        share = limits([found.bins for found in sifted], wave.size)
        chosen = [found.choose(limit, _SALT) for found, limit in zip(sifted, share, strict=True)]
        for shard, (found, few) in enumerate(zip(sifted, chosen, strict=True)):
            self._fits[shard] |= found.reasons == 0
            np.maximum(self._closest[shard], found.reasons, out=self._closest[shard])
            self._asked[shard] = np.concatenate([self._asked[shard], few.ids])
        spared = np.empty(0, np.int64)
        parts = 0
        if wave.channel is not Channel.EMAIL:
            spared = self._spared([few.ids for few in chosen])
        if wave.channel is Channel.SMS:
            parts = self._count_parts(chosen, spared)
        matched = sum(len(few.ids) for few in chosen)
        return Wave(
            number=number,
            after=wave.after,
            channel=wave.channel,
            fit=sum(len(found.ids) for found in sifted),
            matched=matched,
            messages=matched - len(spared),
            parts=parts,
        )

    def _count_parts(self, chosen: Sequence[Sifted], spared: Ints) -> int:
        total = 0
        for few in chosen:
            quiet = np.isin(few.ids, spared, kind="table") if len(spared) else np.zeros(len(few.ids), np.bool_)
            spoken = few.languages[~quiet]
            for language, code in LANGUAGE_CODES.items():
                told = int(np.count_nonzero(spoken == code))
                self._told[language] += told
                total += told * self._parts[language]
        return total

    def excluded(self) -> dict[str, int]:
        """Everybody who would not be asked, under one reason each; reasons that nobody has are left out."""
        named = dict.fromkeys((reason.value for reason in REASONS), 0)
        for fits, closest in zip(self._fits, self._closest, strict=True):
            left = closest * ~fits
            for place, reason in enumerate(named, start=1):
                named[reason] += int(np.count_nonzero(left == place))
        named[NOT_NEEDED] = sum(int(np.count_nonzero(fits)) for fits in self._fits) - sum(map(len, self._asked))
        return {reason: count for reason, count in named.items() if count}

    def longest(self) -> int:
        """Parts of the longest text that somebody would get by SMS; of the Chinese one when nobody gets any."""
        told = [self._parts[language] for language, count in self._told.items() if count]
        return max(told, default=self._parts[Language.CHINESE])
