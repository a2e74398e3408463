"""One shard of the members, ready to be asked who fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
from sqlalchemy import Connection

from registry.audience.columns import RHD_CODES, Columns, Ints, columns_of, joined, query, skills_query
from registry.audience.exclusion import Exclusion, Mask, exclusions
from registry.members import MEMBERS
from schemas.criteria import Criteria
from schemas.words import RhD

BINS = 2  # 0: known to be RhD-negative; 1: everybody else who fits
_MOST_SKILLS = 62


@dataclass(frozen=True, slots=True)
class Scan:
    """Members, those who fit per score bin (best first), and the others under their first reason: it all adds up."""

    members: int
    bins: tuple[int, ...]
    excluded: dict[Exclusion, int]


class AudienceIndex:
    """Columns of one shard, in order of id; `catch_up` brings in what was committed since."""

    def __init__(self, shard: int, shards: int, columns: Columns) -> None:
        self._shard = shard
        self._shards = shards
        self._columns = columns
        self._revision = int(columns["revision"].max(initial=0))
        self._skills: dict[str, int] = {}

    @classmethod
    def load(cls, connection: Connection, shard: int, shards: int) -> Self:
        """The shard as the database has it now."""
        return cls.load_many(connection, [shard], shards)[0]

    @classmethod
    def load_many(cls, connection: Connection, wanted: Sequence[int], shards: int) -> list[Self]:
        """Several shards in one pass over the members."""
        statement = query(connection)
        if len(wanted) < shards:
            statement = statement.where((MEMBERS.c.bucket % shards).in_(list(wanted)))
        everybody = columns_of(connection.execute(statement).all())
        indexes = []
        for shard in wanted:
            index = cls(shard, shards, everybody.take(everybody["bucket"] % shards == shard))
            indexes.append(index)
        skilled = connection.execute(skills_query()).all()
        for index in indexes:
            index._learn_skills(skilled)  # noqa: SLF001 - our own
        return indexes

    def __len__(self) -> int:
        return int(self._columns["alive"].sum())

    @property
    def nbytes(self) -> int:
        return self._columns.nbytes

    def catch_up(self, connection: Connection) -> int:
        """Take in every change that was committed before this transaction began; how many members changed."""
        rows = connection.execute(query(connection).where(MEMBERS.c.revision > self._revision)).all()
        if not rows:
            return 0
        changed = columns_of(rows)
        self._revision = int(changed["revision"].max())
        changed = changed.take(changed["bucket"] % self._shards == self._shard)
        if len(changed):
            self._columns = joined(self._columns, changed)
            ids = changed["id"].tolist()
            self._learn_skills(_skills_of(connection, ids))
        return len(changed)

    def scan(self, criteria: Criteria, asked: Ints) -> Scan:
        """Who fits, counted; `asked` are the ids that earlier waves of the appeal have asked."""
        left, excluded = self._sieve(criteria, asked)
        best = left & self._best()
        return Scan(
            members=len(self),
            bins=(int(best.sum()), int(left.sum() - best.sum())),
            excluded=excluded,
        )

    def select(self, criteria: Criteria, asked: Ints, *, limit: int, salt: str) -> Ints:
        """The ids of the best `limit` members who fit: by score bin, then in an order that favours nobody.

        The order depends on `salt` and the id only, so that a replay selects the same people.
        """
        left, _ = self._sieve(criteria, asked)
        ids = self._columns["id"][left]
        worse = ~self._best()[left]
        order = np.lexsort((_shuffled(ids, salt), worse))
        return ids[order[:limit]]

    def _sieve(self, criteria: Criteria, asked: Ints) -> tuple[Mask, dict[Exclusion, int]]:
        left = self._columns["alive"] != 0
        counts: dict[Exclusion, int] = {}
        for reason, applies in exclusions(self._columns, criteria, asked, self._skill_bits(criteria)):
            counts[reason] = int(np.count_nonzero(left & applies))
            left &= ~applies
        return left, counts

    def _best(self) -> Mask:
        best: Mask = self._columns["rhd"] == RHD_CODES[RhD.NEGATIVE]
        return best

    def _skill_bits(self, criteria: Criteria) -> int | None:
        if any(skill not in self._skills for skill in criteria.skills):
            return None
        return sum(self._skills[skill] for skill in set(criteria.skills))

    def _learn_skills(self, rows: Sequence[tuple[int, str | None]]) -> None:
        ids = self._columns["id"]
        for member, words in rows:
            position = int(np.searchsorted(ids, member))
            if position < len(ids) and ids[position] == member:
                self._columns.skills[position] = sum(self._skill(word) for word in (words or "").split(";") if word)

    def _skill(self, word: str) -> int:
        if word not in self._skills:
            if len(self._skills) >= _MOST_SKILLS:
                return 0  # more words than bits: such a skill finds nobody, which the preview shows
            self._skills[word] = 1 << len(self._skills)
        return self._skills[word]


def _skills_of(connection: Connection, ids: Sequence[int]) -> list[tuple[int, str | None]]:
    found: list[tuple[int, str | None]] = []
    for start in range(0, len(ids), 500):
        chunk = list(ids[start : start + 500])
        found += [(row.id, row.skills) for row in connection.execute(skills_query().where(MEMBERS.c.id.in_(chunk)))]
    return found


def _shuffled(ids: Ints, salt: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A number per id that looks like chance and is the same on every machine (splitmix64)."""
    z = ids.astype(np.uint64) + np.uint64((crc32(salt.encode()) << 32) + 0x9E3779B9)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray[tuple[int], np.dtype[np.uint64]] = z ^ (z >> np.uint64(31))
    return mixed
