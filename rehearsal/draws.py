"""Chance that depends on who and on what only, never on the order in which things arrive."""

from hashlib import blake2b
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
Floats = NDArray[np.float64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_NORMAL = NormalDist()
_SMALLEST = 2.0**-54


def draw_key(seed: int, *words: str) -> int:
    """A stream of its own for every seed and every sequence of words."""
    return int.from_bytes(blake2b("\x1f".join((str(seed), *words)).encode(), digest_size=8).digest(), "big")


def uniform(key: int, numbers: Numbers) -> Floats:
    """One draw in [0, 1) for each number: SplitMix64 at the place that the number names."""
    z = numbers * _STEP + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z ^= z >> np.uint64(31)
    draws: Floats = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return draws


def uniform_one(key: int, number: int) -> float:
    return float(uniform(key, np.array([number], dtype=np.uint64))[0])


def lognormal(median: float, sigma: float, draw: float) -> float:
    """A positive delay with this median, from one uniform draw."""
    return float(median * np.exp(sigma * _NORMAL.inv_cdf(max(draw, _SMALLEST))))


def lognormals(median: float, sigma: float, key: int, numbers: Numbers) -> Floats:
    """A positive delay for each number, by Box and Muller."""
    radius = np.sqrt(-2.0 * np.log(np.maximum(uniform(key, numbers), _SMALLEST)))
    angle = 2.0 * np.pi * uniform(key ^ 0x5555555555555555, numbers)
    delays: Floats = median * np.exp(sigma * radius * np.cos(angle))
    return delays
