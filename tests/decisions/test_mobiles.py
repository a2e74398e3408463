import json
from pathlib import Path

import pytest

from decisions.mobiles import is_made_up, mobile_of

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "cn_mobile_numbers.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["raw"])
def test_every_vector_comes_out_as_the_table_says(vector):
    assert mobile_of(vector["raw"]) == vector["e164"]


@pytest.mark.parametrize(
    "text", ["17912345678", " 179 1234 5678 ", "0086-179-1234-5678", "(+86)17912345678", "+86 179\u22121234\u20135678"]
)
def test_separators_and_country_codes_do_not_matter(text):
    assert mobile_of(text) == "+8617912345678"


@pytest.mark.parametrize(
    "text",
    ["", "1791234567", "179123456789", "010-63811157", "+8679123456780", "86179123456", "1.79E+10", "179 1234 567o"],
)
def test_what_is_no_mobile_gives_none(text):
    assert mobile_of(text) is None


def test_an_iranian_number_is_not_taken_for_a_chinese_one_because_of_its_first_digits():
    assert mobile_of("+8617912345678") == "+8617912345678"
    assert mobile_of("+98617912345678") is None


def test_made_up_numbers_are_told_by_their_prefix():
    assert is_made_up("+8617912345678")
    assert not is_made_up("+8613800138000")
