"""The names of batches.  A second attempt is a batch of its own: claims and records stay one per attempt."""

from typing import NamedTuple

_AGAIN = "again/"


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
