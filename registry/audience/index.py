"""One shard of the members, ready to be asked who fits."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import attrgetter
from threading import Lock
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, select

from decisions.shards import BUCKETS, shards_of
from registry import revisions
from registry.audience.columns import RHD_CODES, TYPES, Columns, Ints, query, unpacked
from registry.audience.exclusion import Mask, exclusions
from registry.audience.order import shuffled
from registry.audience.reasons import Exclusion
from registry.audience.rows import numbers
from registry.audience.skills import SkillSets
from registry.members import MEMBERS
from schemas.criteria import Criteria
from schemas.words import RhD

REASONS: Final = tuple(Exclusion)
Codes = NDArray[np.int8]
_Skilled = tuple[Ints, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Held:
    """What a shard knows at one moment, for keeping: nobody who has been erased is in it."""

    columns: Columns
    skills: Sequence[str]  # the sets that the numbers in the columns stand for, as `SkillSets.lines`
    revision: int


@dataclass(frozen=True, slots=True)
class Scan:
    """Members, those who fit per score bin (best first), and the others under their first reason: it all adds up.

    Bin 0 are those known to be RhD-negative, where blood matters at all; bin 1 is everybody else who fits.
    """

    members: int
    bins: tuple[int, int]
    excluded: dict[Exclusion, int]


@dataclass(frozen=True, slots=True)
class Sifted:
    """The answer to one question, member by member, in order of id.  The first three run parallel, over those who fit.

    `reasons` are everybody's: 0 if they fit, else the place of their reason in the documented order.
    """

    ids: Ints
    worse: Mask  # who is in the second bin
    languages: Codes
    reasons: Codes

    @property
    def bins(self) -> tuple[int, int]:
        """As in `Scan`."""
        worse = int(np.count_nonzero(self.worse))
        return len(self.ids) - worse, worse

    def choose(self, limit: int, salt: str) -> "Sifted":
        """Only those that `AudienceIndex.select` gives; ordering millions takes longer than finding them."""
        if len(self.ids) <= limit:
            return self
        best = np.sort(_best_first(self.ids, self.worse, salt)[:limit])
        return Sifted(self.ids[best], self.worse[best], self.languages[best], self.reasons)


class AudienceIndex:
    """Columns of one shard; `catch_up` brings in what was committed since.  Any thread may ask, while one catches up."""

    def __init__(self, shard: int, shards: int, held: Held) -> None:
        self.shard = shard
        self.shards = shards
        self._columns = held.columns
        self._revision = held.revision
        self._skills = SkillSets(held.skills)
        self._taken_in = 0
        self._last_erasure = 0
        self.turn = Lock()  # of whoever brings changes in
        self._steady = Lock()  # nobody counts while columns change

    @classmethod
    def load(cls, connection: Connection, shard: int, shards: int) -> Self:
        """The shard as the database has it now."""
        return cls.load_many(connection, [shard], shards)[0]

    @classmethod
    def load_many(cls, connection: Connection, wanted: Sequence[int], shards: int) -> list[Self]:
        """Several shards in one pass over the members."""
        # Read first: whoever changes while we read is read again, not missed.
        revision = revisions.latest(connection)
        found, skilled = _read(connection, wanted, shards, MEMBERS.c.erased_at.is_(None))
        indexes = []
        for shard, each in zip(wanted, found, strict=True):
            index = cls(shard, shards, Held(each, (), revision))
            index._learn_skills(index._columns, skilled)
            indexes.append(index)
        return indexes

    def __len__(self) -> int:
        return int(np.count_nonzero(self._columns["alive"]))

    @property
    def nbytes(self) -> int:
        return self._columns.nbytes

    @property
    def revision(self) -> int:
        """Up to where it has caught up."""
        return self._revision

    @property
    def taken_in(self) -> int:
        """How many changed members it has taken in since it was made."""
        return self._taken_in

    @property
    def last_erasure(self) -> int:
        """The revision at which somebody whom it had known had been erased; 0 while nobody has."""
        return self._last_erasure

    def held(self) -> Held:
        """A copy of what it knows."""
        with self._steady:
            living = self._columns["alive"] != 0
            return Held(self._columns.take(living), self._skills.lines, self._revision)

    def catch_up(self, connection: Connection) -> int:
        """Take in every change that was committed before this transaction began; how many members changed.

        The transaction may not have changed members itself: if it came to nothing, its revision would be somebody else's.
        """
        return catch_up_all(connection, [self])

    def scan(self, criteria: Criteria, asked: Ints) -> Scan:
        """Who fits, counted; `asked` are the ids that earlier waves of the appeal have asked."""
        with self._steady:
            left, excluded = self._sieve(criteria, asked)
            best = int(np.count_nonzero(left & self._best(criteria)))
            fits = int(np.count_nonzero(left))
            return Scan(members=fits + sum(excluded.values()), bins=(best, fits - best), excluded=excluded)

    def select(self, criteria: Criteria, asked: Ints, *, limit: int, salt: str) -> Ints:
        """The ids of the best `limit` members who fit: by score bin, then in an order that favours nobody.

        The order depends on `salt` and the id only, so that a replay selects the same people.
        """
        with self._steady:
            left, _ = self._sieve(criteria, asked)
            fits = np.flatnonzero(left)
            ids: Ints = self._columns["id"].take(fits)
            worse = ~self._best(criteria).take(fits)
        return ids[_best_first(ids, worse, salt)[:limit]]

    def sift(self, criteria: Criteria, asked: Ints) -> Sifted:
        """Who fits, and why the others do not."""
        with self._steady:
            alive = self._columns["alive"] != 0
            reasons = np.zeros(len(alive), np.int8)
            left = alive.copy()
            for reason, hit in self._hits(criteria, asked, left):
                reasons |= hit.view(np.int8) * np.int8(REASONS.index(reason) + 1)
            fits = np.flatnonzero(left)
            return Sifted(
                ids=self._columns["id"].take(fits),
                worse=~self._best(criteria).take(fits),
                languages=self._columns["language"].take(fits),
                reasons=reasons if alive.all() else reasons[alive],
            )

    def sharing(self, ids: Ints) -> Ints:
        """Those of these members, in their order, who share their mobile with another one."""
        with self._steady:
            return ids[_among(ids, self._columns["id"][self._columns["shared"] != 0])]

    def look_up(self, ids: Ints, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], Mask]:
        """These fields of these members, in their order, and who of them is known and has not been erased."""
        with self._steady:
            at, known = self._columns.positions(ids)
            if not len(self._columns):
                return {name: np.zeros(len(ids), TYPES[name]) for name in names}, known
            living: Mask = known & (self._columns["alive"][at] != 0)
            return {name: self._columns[name][at] for name in names}, living

    def take_in(self, changed: Columns, skilled: _Skilled, revision: int) -> None:
        """Know these members of this shard anew, and so everything up to this revision; `turn` is held meanwhile."""
        with self._steady:
            if len(changed):
                self._learn_skills(changed, skilled)
                self._columns = self._columns.put(changed)
            self._revision = revision
        self._taken_in += len(changed)
        if not changed["alive"].all():
            self._last_erasure = revision

    def _sieve(self, criteria: Criteria, asked: Ints) -> tuple[Mask, dict[Exclusion, int]]:
        left = self._columns["alive"] != 0
        counts = {reason: int(np.count_nonzero(hit)) for reason, hit in self._hits(criteria, asked, left)}
        return left, counts

    def _hits(self, criteria: Criteria, asked: Ints, left: Mask) -> Iterator[tuple[Exclusion, Mask]]:
        """Each reason with those of `left` to whom it applies first; they are taken out of `left`."""
        skilled = self._skills.having(criteria.skills) if criteria.skills else None
        for reason, hit in exclusions(self._columns, criteria, asked, skilled):
            np.logical_and(hit, left, out=hit)
            np.logical_xor(left, hit, out=left)
            yield reason, hit

    def _best(self, criteria: Criteria) -> Mask:
        if not criteria.abo:  # who is asked to translate is not asked sooner for their blood
            return np.zeros(len(self._columns), np.bool_)
        best: Mask = self._columns["rhd"] == RHD_CODES[RhD.NEGATIVE]
        return best

    def _learn_skills(self, columns: Columns, skilled: _Skilled) -> None:
        ids, lines = skilled
        at, known = columns.positions(ids)
        columns["skills"][at[known]] = self._skills.codes(lines[here] for here in np.flatnonzero(known).tolist())


def catch_up_all(connection: Connection, indexes: Sequence[AudienceIndex]) -> int:
    """`catch_up` for several shards of one registry in one pass over what has changed."""
    with ExitStack() as stack:
        for index in sorted(indexes, key=attrgetter("shard")):  # in one order, or two would wait for each other
            stack.enter_context(index.turn)
        latest = revisions.latest(connection)
        behind = [index for index in indexes if index.revision < latest]
        if not behind:
            return 0
        since = min(index.revision for index in behind)
        wanted = [index.shard for index in behind]
        found, skilled = _read(connection, wanted, behind[0].shards, MEMBERS.c.revision > since)
        for index, changed in zip(behind, found, strict=True):
            index.take_in(changed, skilled, latest)
        return sum(map(len, found))


def _read(
    connection: Connection, wanted: Sequence[int], shards: int, condition: ColumnElement[bool]
) -> tuple[list[Columns], _Skilled]:
    """The members of each of these shards for whom this holds, in one pass; and who of them has which skills."""
    conditions = [condition]
    if len(wanted) < shards:
        conditions.append(_in_shards(wanted, shards))
    everybody = unpacked(numbers(connection, query(connection, *conditions)))
    skilled = _skilled(connection, *conditions)
    shard_of_each = shards_of(everybody["id"], shards)
    return [everybody.take(np.flatnonzero(shard_of_each == shard)) for shard in wanted], skilled


def _best_first(ids: Ints, worse: Mask, salt: str) -> NDArray[np.intp]:
    """Their places, by score bin and then in an order that favours nobody."""
    return np.lexsort((shuffled(ids, salt), worse))


def _among(ids: Ints, listed: Ints) -> Mask:
    # Ids are given one after the other: a table from the least to the greatest is small, and no search is as quick.
    return np.isin(ids, listed, kind="table")


def _in_shards(wanted: Sequence[int], shards: int) -> ColumnElement[bool]:
    return MEMBERS.c.bucket.in_([bucket for bucket in range(BUCKETS) if bucket % shards in wanted])


def _skilled(connection: Connection, *conditions: ColumnElement[bool]) -> _Skilled:
    """The ids of those of these members who have skills, and their skills as the registry writes them."""
    statement = select(MEMBERS.c.id, MEMBERS.c.skills).where(MEMBERS.c.skills.is_not(None), *conditions)
    rows = connection.execute(statement).all()
    return np.array([row[0] for row in rows], np.int64), [row[1] for row in rows]
