"""Which shard a member belongs to: a hash that is the same on every machine, in every release.

Members fall into 1,024 buckets by splitmix64 of their id; a bucket is stored with the member, and the shard is the
bucket modulo the number of shards, so that a worker reads its own shards with a plain condition.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 1024
_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB


def bucket_of(member_id: int) -> int:
    """The bucket of a member, 0 to 1023."""
    z = (member_id + _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return (z ^ (z >> 31)) % BUCKETS


def shard_of(member_id: int, shards: int) -> int:
    """The shard of a member among so many.  Raises `ValueError` unless 1 to 1,024 shards are asked for."""
    _check(shards)
    return bucket_of(member_id) % shards


def buckets_of(member_ids: NDArray[np.int64]) -> NDArray[np.int16]:
    """`bucket_of` for many members at once."""
    z = member_ids.astype(np.uint64) + np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return ((z ^ (z >> np.uint64(31))) % np.uint64(BUCKETS)).astype(np.int16)


def shards_of(member_ids: NDArray[np.int64], shards: int) -> NDArray[np.int16]:
    """`shard_of` for many members at once."""
    _check(shards)
    return buckets_of(member_ids) % np.int16(shards)


def _check(shards: int) -> None:
    if not 1 <= shards <= BUCKETS:
        raise ValueError(f"between 1 and {BUCKETS} shards are possible, not {shards}")
