"""How large the batches of an appeal are."""

import pytest

from decisions.batches import batch_size
from schemas.spec import WaveSpec


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([None], 8192, 8192),  # nobody knows how many these are
        ([30], 8192, 2048),
        ([40_000], 8192, 2500),  # several workers share 16 batches
        ([40_001], 8192, 2501),
        ([1_800_000], 8192, 8192),
        ([30, 40_000], 8192, 2500),
        ([30, None], 8192, 8192),
        ([30], 100, 100),  # whoever wants smaller ones
        ([1_800_000], 100, 100),
    ],
)
def test_a_batch_is_a_part_of_the_largest_wave(sizes: list[int | None], most: int, expected: int):
    assert batch_size([WaveSpec(size=size) for size in sizes], most) == expected
