"""How many messages of one reference were seen, and who saw more than one."""

from collections import Counter

import numpy as np

from rehearsal.draws import Floats, Numbers


class Tally:
    """Messages, segments, first and last moment, each number once, and the numbers that came again."""

    def __init__(self) -> None:
        self.messages = 0
        self.segments = 0
        self.first = float("inf")
        self.last = float("-inf")
        self._distinct: Numbers = np.empty(0, dtype=np.uint64)
        self._again: Counter[int] = Counter()
        self._unsorted: list[Numbers] = []

    def add(self, numbers: Numbers, real: Floats, *, parts: int) -> None:
        self.messages += len(numbers)
        self.segments += len(numbers) * parts
        self.first = min(self.first, float(real.min()))
        self.last = max(self.last, float(real.max()))
        self._unsorted.append(numbers)

    @property
    def distinct(self) -> Numbers:
        """Each number once, sorted."""
        self._sort()
        return self._distinct

    @property
    def doubled(self) -> dict[int, int]:
        """Numbers that were told more than once, with how often."""
        self._sort()
        return {number: extra + 1 for number, extra in sorted(self._again.items())}

    def _sort(self) -> None:
        if not self._unsorted:
            return
        merged = np.concatenate([self._distinct, *self._unsorted])
        self._unsorted.clear()
        merged.sort(kind="stable")  # finds the runs that are sorted already
        repeats = merged[1:] == merged[:-1]
        self._again.update(merged[1:][repeats].tolist())
        self._distinct = np.concatenate([merged[:1], merged[1:][~repeats]])
