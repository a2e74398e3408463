"""The names and sizes of batches.  A second attempt is a batch of its own: claims and records stay one per attempt."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.spec import WaveSpec

_AGAIN = "again/"
_PARTS = 16  # of a wave, at least: several workers can share so many
_WORTH_CUTTING = 2048  # members: what a batch costs by itself hardly depends on who is in it


def batch_size(waves: Sequence[WaveSpec], most: int) -> int:
    """Members of each batch of an appeal, `most` at most: a 16th of its largest wave, and not below 2,048.

    A wave without a size counts as large enough: nobody knows how many it will ask.
    """
    largest = max(wave.size or most * _PARTS for wave in waves)
    return min(most, max(_WORTH_CUTTING, -(-largest // _PARTS)))


class BatchName(NamedTuple):
    """What the name of a mass batch says, whichever attempt it is."""

    appeal_id: str
    wave: int
    shard: int
    number: int


def repeat_of(batch_id: str) -> str:
    """The name of the second attempt at this batch."""
    return f"{_AGAIN}{batch_id}"


def first_of(batch_id: str) -> str:
    """The name of the first attempt, whichever this is."""
    return batch_id.removeprefix(_AGAIN)


def is_repeat(batch_id: str) -> bool:
    return batch_id.startswith(_AGAIN)


def read_name(batch_id: str) -> BatchName:
    """What the name of a mass batch says; other batches have names that say nothing."""
    appeal_id, wave, shard, number = first_of(batch_id).rsplit("/", 3)
    return BatchName(appeal_id, int(wave), int(shard), int(number))
