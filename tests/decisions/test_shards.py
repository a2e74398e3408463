import numpy as np
import pytest

from decisions.shards import BUCKETS, bucket_of, buckets_of, shard_of, shards_of


def test_the_buckets_are_those_of_every_other_release():
    # Written down once: a hash that moves would send members to shards that do not hold them.
    assert [bucket_of(member) for member in (1, 2, 3, 1_000_000, 2**31 - 1)] == [193, 718, 1005, 487, 999]


def test_the_hash_is_splitmix64_as_others_publish_it():
    first_output_for_seed_1234567 = 6457827717110365317
    assert bucket_of(1234567) == first_output_for_seed_1234567 % BUCKETS


def test_many_at_once_get_the_same_shards_as_one_by_one():
    members = np.concatenate([np.arange(1, 5_000), np.array([2**31 - 1, 2**53])])
    assert buckets_of(members).tolist() == [bucket_of(int(member)) for member in members]
    assert shards_of(members, 7).tolist() == [shard_of(int(member), 7) for member in members]


@pytest.mark.parametrize("shards", [1, 2, 8, 12, 64])
def test_members_spread_evenly(shards):
    counts = np.bincount(shards_of(np.arange(1, 100_001), shards), minlength=shards)
    assert counts.size == shards
    assert counts.max() < counts.mean() * 1.1
    assert counts.min() > counts.mean() * 0.9


@pytest.mark.parametrize("shards", [0, -1, BUCKETS + 1])
def test_an_impossible_number_of_shards_is_refused(shards):
    with pytest.raises(ValueError, match="between 1 and 1024 shards"):
        shard_of(1, shards)
    with pytest.raises(ValueError, match="between 1 and 1024 shards"):
        shards_of(np.array([1]), shards)
