"""Skills in memory: members share few different sets of skills, so each has the number of a set."""

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from registry.importing.cells import folded


class SkillSets:
    """A dictionary of the sets of skills that members of a shard have; number 0 is the empty one."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """`lines` are those of another dictionary, which get the numbers that they have there."""
        self._codes = {"": 0}
        self._sets: list[frozenset[str]] = [frozenset()]
        for line in lines:
            self.code(line)

    @property
    def lines(self) -> list[str]:
        """The sets as the registry writes them, in the order of their numbers."""
        return list(self._codes)

    def code(self, words: str | None) -> int:
        """The number of this set, written as in the registry: sorted words joined by `;`."""
        words = words or ""
        known = self._codes.get(words)
        if known is None:
            known = self._codes[words] = len(self._sets)
            self._sets.append(frozenset(words.split(";")))
        return known

    def codes(self, lines: Iterable[str | None]) -> NDArray[np.int32]:
        return np.fromiter(map(self.code, lines), np.int32)

    def having(self, wanted: Collection[str]) -> NDArray[np.bool_]:
        """For each number whether the set has all of these, however an officer writes them."""
        needed = frozenset(map(folded, wanted))
        return np.fromiter((needed <= skills for skills in self._sets), np.bool_, len(self._sets))
