"""How many each shard invites, from what it counted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.appeals.cutoff import limits

SHARDS = st.lists(st.lists(st.integers(0, 400), max_size=5), max_size=6)


def _taken_per_bin(bins: list[list[int]], allowed: list[int]) -> list[int]:
    """What a shard that takes its best first takes of each bin, over all shards."""
    depth = max((len(shard) for shard in bins), default=0)
    taken = [0] * depth
    for shard, left in zip(bins, allowed, strict=True):
        for score, offered in enumerate(shard):
            share = min(offered, left)
            taken[score] += share
            left -= share  # noqa: PLW2901 - counts down
    return taken


def test_without_a_size_everybody_is_invited():
    assert limits([[3, 4], [0, 5]], None) == [7, 5]


def test_the_best_bin_goes_first_in_every_shard():
    assert limits([[3, 100], [5, 100]], 8) == [3, 5]


def test_the_bin_in_which_the_size_ends_is_shared_fairly():
    assert limits([[2, 30], [0, 10]], 10) == [2 + 6, 2]


def test_what_cannot_be_divided_goes_to_the_largest_remainder():
    assert limits([[1], [1], [1]], 2) == [1, 1, 0]
    assert limits([[2], [3]], 2) == [1, 1]


def test_fewer_than_wanted_are_all_invited():
    assert limits([[3], [4]], 100) == [3, 4]


def test_shards_may_know_different_numbers_of_bins():
    assert limits([[], [1, 2, 3], [4]], 7) == [0, 3, 4]


@settings(derandomize=True)
@given(SHARDS, st.none() | st.integers(1, 3_000))
def test_the_limits_sum_to_the_size_or_to_all(bins: list[list[int]], size: int | None):
    everybody = sum(map(sum, bins))
    assert sum(limits(bins, size)) == (everybody if size is None else min(size, everybody))


@settings(derandomize=True)
@given(SHARDS, st.integers(1, 3_000))
def test_no_shard_is_asked_for_more_than_it_has(bins: list[list[int]], size: int):
    assert all(0 <= limit <= sum(shard) for limit, shard in zip(limits(bins, size), bins, strict=True))


@settings(derandomize=True)
@given(SHARDS, st.integers(1, 3_000))
def test_nobody_of_a_worse_bin_is_invited_while_a_better_one_waits(bins: list[list[int]], size: int):
    taken = _taken_per_bin(bins, limits(bins, size))
    offered = [sum(shard[score] for shard in bins if score < len(shard)) for score in range(len(taken))]
    full = [have == take for have, take in zip(offered, taken, strict=True)]
    first_short = full.index(False) if False in full else len(full)
    assert not any(taken[first_short + 1 :])


@settings(derandomize=True)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 2_400))
def test_shares_of_a_bin_are_fair_to_one_member(offered: list[int], size: int):
    wanted = min(size, sum(offered))
    for limit, number in zip(limits([[number] for number in offered], size), offered, strict=True):
        assert abs(limit * sum(offered) - number * wanted) < max(sum(offered), 1)
