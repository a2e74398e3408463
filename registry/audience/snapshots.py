"""Columns on disk, so that a worker that starts need not read every member from the database.

A file holds one shard as it was at a revision; whoever reads it catches up from there, by the same way as a worker that runs.
It is used only by a release that lays columns out in the same way, and only on a database that has the mark it names
(`registry.marks`); then nothing that has been changed since can be missing.  NumPy's `.npz` has a check sum of each
array, so that a torn or rotten file is no file.

These are numbers of people: the folder is its owner's alone, and a file that holds somebody who has been erased is deleted
at once, and written anew in its turn.
"""

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from registry.audience import columns
from registry.audience.columns import TYPES, Columns
from registry.audience.index import AudienceIndex, Held, catch_up_all
from registry.marks import vouches
from registry.members import MEMBERS
from registry.migrate import versions

_FORMAT: Final = 1  # changes when a number in a column comes to mean something else
_ABOUT, _SKILLS = "about", "skill_sets"
_WHOLE, _PART = _ENDINGS = (".npz", ".part")
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, BadZipFile)  # rot has many names
_WORTH_READING: Final = 4  # of so many members one at most has changed, or they are better read all together


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself."""

    layout: str
    shard: int
    shards: int
    revision: int
    mark: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `ValueError`."""
        try:
            return cls(**json.loads(text))
        except TypeError as exc:
            raise ValueError(f"it says other things of itself: {exc}") from exc


@cache
def layout() -> str:
    """Which numbers stand for what, in this release on its version of the database."""
    codes = (columns.ABO_CODES, columns.RHD_CODES, columns.SEX_CODES, columns.LANGUAGE_CODES, columns.REACH_BITS)
    facts = [
        _FORMAT,
        max(versions()),
        {name: np.dtype(kind).str for name, kind in TYPES.items()},
        [{word.value: code for word, code in known.items()} for known in codes],
        columns.FIRST_MOBILE,
        columns.OTHER_GROUP,
    ]
    return sha256(json.dumps(facts).encode()).hexdigest()


class Snapshots:
    """A folder with a file for each shard of one registry.  Several workers may have it together."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._folder = folder
        self._shards = shards

    def load(self, connection: Connection) -> tuple[list[AudienceIndex], frozenset[int]]:
        """All shards as the database has them now, and the numbers of those that came from this folder."""
        found = [self._read(connection, shard) for shard in range(self._shards)]
        kept = [index for index in found if index is not None]
        catch_up_all(connection, kept)
        missing = [shard for shard, index in enumerate(found) if index is None]
        read = AudienceIndex.load_many(connection, missing, self._shards) if missing else []
        indexes = sorted([*kept, *read], key=attrgetter("shard"))
        return indexes, frozenset(range(self._shards)).difference(missing)

    def revision(self, shard: int) -> int | None:
        """The revision at which this shard is kept; None while it is not."""
        kept = self._kept(shard, ())
        return kept[0].revision if kept else None

    def write(self, shard: int, held: Held, mark: str) -> None:
        """Keep what this shard knew; the mark stands at that revision of its database or behind it.  Raises `OSError`."""
        about = About(layout(), shard, self._shards, held.revision, mark)
        content: dict[str, Any] = {
            _ABOUT: np.array(json.dumps(asdict(about))),
            _SKILLS: np.array(held.skills),
            **held.columns.arrays,
        }
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f"{shard}-{os.getpid()}{_PART}"
        try:
            beside.touch(mode=0o600)
            with beside.open("wb") as file:
                np.savez(file, **content)
            beside.replace(self._file(shard))
        finally:
            beside.unlink(missing_ok=True)

    def drop(self, shard: int) -> None:
        """Keep this shard no longer.  Raises `OSError`."""
        self._file(shard).unlink(missing_ok=True)

    def tidy(self, kept: Collection[int]) -> None:
        """Delete what is here but for these shards: broken, half written, or of another layout, number of shards or history.

        Raises `OSError`.
        """
        if self._folder.is_dir():
            wanted = set(map(self._file, kept))
            for path in self._folder.iterdir():
                if path not in wanted and path.suffix in _ENDINGS:
                    path.unlink(missing_ok=True)

    def _file(self, shard: int) -> Path:
        return self._folder / f"{shard}{_WHOLE}"

    def _kept(self, shard: int, names: Collection[str]) -> tuple[About, dict[str, NDArray[Any]]] | None:
        """What the file says of itself, and these arrays of it; None where it is not there, broken, or of another layout."""
        try:
            with self._file(shard).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                about = About.read(str(file[_ABOUT]))
                arrays = {name: file[name] for name in names}
        except _UNREADABLE:
            return None
        ours = (about.layout, about.shard, about.shards) == (layout(), shard, self._shards)
        return (about, arrays) if ours else None

    def _read(self, connection: Connection, shard: int) -> AudienceIndex | None:
        """What was kept; None where that is nothing, not to be relied upon here, or not worth it."""
        kept = self._kept(shard, (*TYPES, _SKILLS))
        if kept is None:
            return None
        about, arrays = kept
        if not vouches(connection, about.mark, about.revision):
            return None
        skills: Sequence[str] = arrays.pop(_SKILLS).tolist()
        known = Columns(arrays)
        if _changed_since(connection, about.revision, at_most=len(known) * self._shards // _WORTH_READING):
            return None
        return AudienceIndex(shard, self._shards, Held(known, skills, about.revision))


def _changed_since(connection: Connection, revision: int, *, at_most: int) -> bool:
    """Whether more members than that have changed."""
    newer = select(MEMBERS.c.id).where(MEMBERS.c.revision > revision).limit(at_most + 1).subquery()
    return connection.execute(select(func.count()).select_from(newer)).scalar_one() > at_most
