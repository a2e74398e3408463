import json
from pathlib import Path

import pytest

from decisions.districts import load_districts

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "beijing_districts.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["code"])
def test_every_district_is_found_by_code_and_by_its_names(vector):
    districts = load_districts()
    for word in filter(None, (vector["code"], vector["name_zh"], vector["name_en"], vector["old_county_code"])):
        found = districts.find(word)
        assert found is not None
        assert found.code == vector["code"]


def test_the_table_has_all_districts_and_the_published_number_of_residents():
    districts = load_districts().all
    assert [district.code for district in districts] == [vector["code"] for vector in VECTORS]
    assert sum(district.residents for district in districts) == 21_893


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("海淀", "110108"),
        ("北京市海淀区", "110108"),
        (" haidian ", "110108"),
        ("HAIDIAN DISTRICT", "110108"),
        ("Beijing Haidian", "110108"),
        ("１１０１０８", "110108"),
        ("崇文区", "110101"),
        ("宣武", "110102"),
        ("110104", "110102"),
        ("密云县", "110118"),
        ("延庆", "110119"),
    ],
)
def test_people_write_districts_in_many_ways(text, code):
    found = load_districts().find(text)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("text", ["", "北京", "220104", "浦东新区", "110110", "区"])
def test_other_places_are_not_found(text):
    assert load_districts().find(text) is None
