"""From what the shards counted to how many each of them invites."""

from collections.abc import Sequence


def limits(bins: Sequence[Sequence[int]], size: int | None) -> list[int]:
    """Members to invite per shard: whole score bins, best first, then a fair share of the bin in which `size` ends.

    `bins[s][b]` members of shard `s` have score bin `b`.  The result sums to `size`, or to all when there are fewer.
    """
    taken = [0] * len(bins)
    left = sum(map(sum, bins)) if size is None else size
    for score in range(max((len(shard) for shard in bins), default=0)):
        offered = [shard[score] if score < len(shard) else 0 for shard in bins]
        for number, share in enumerate(_shares(offered, left)):
            taken[number] += share
        left -= min(left, sum(offered))
    return taken


def _shares(offered: Sequence[int], wanted: int) -> list[int]:
    """`wanted` split over the shards in proportion to what they offer, rounded by the largest remainder."""
    total = sum(offered)
    if total <= wanted:
        return list(offered)
    shares = [number * wanted // total for number in offered]
    remainders = sorted(range(len(offered)), key=lambda n: (-(offered[n] * wanted % total), n))
    for number in remainders[: wanted - sum(shares)]:
        shares[number] += 1
    return shares
