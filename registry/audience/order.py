"""An order of members that favours nobody and is the same on every machine."""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from registry.audience.columns import Ints

_GAMMA = 0x9E3779B9


def shuffled(ids: Ints, salt: str) -> NDArray[np.uint64]:
    """A number per id that looks like chance (splitmix64): another salt, another order."""
    z = ids.astype(np.uint64) + np.uint64((crc32(salt.encode()) << 32) + _GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed
