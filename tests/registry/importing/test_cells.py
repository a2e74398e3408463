"""What stands in a cell: many ways to write a thing, and a reject that says why without ever saying what."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decisions.blood_words import blood_of
from registry.importing.groups import BLOOD, BadGroup, Blood, blood
from schemas.words import ABO, RhD
from tests.registry.conftest import sqlite_url
from tests.registry.importing.conftest import Registry, counts, mobile, places, rejects

empty_url = sqlite_url  # what is read does not depend on where it is stored
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "cn_mobile_numbers.json").read_text())


def test_every_way_to_write_a_mobile_is_stored_or_rejected_as_the_table_says(registry: Registry):
    rows = [f"BJ{number:04d},{vector['raw']}" for number, vector in enumerate(VECTORS)]
    report = registry.bring("京卡号,手机", *rows)
    stored = dict(registry.members("card_number", "mobile"))
    assert [stored.get(f"BJ{number:04d}") for number in range(len(VECTORS))] == [v["e164"] for v in VECTORS]
    bad = [line for line, vector in enumerate(VECTORS, start=2) if vector["e164"] is None]
    assert places(report) == [(line, "手机") for line in bad]


def test_an_empty_mobile_is_imported_and_a_malformed_one_rejects_the_row(registry: Registry):
    report = registry.bring("京卡号,手机", "BJ0001,", "BJ0002,1791234567", "BJ0003,1.79E+10", f"BJ0004,{mobile(4)}")
    assert counts(report) == {"rows": 4, "added": 2, "rejected": 2}
    assert registry.members("card_number", "mobile") == [("BJ0001", None), ("BJ0004", f"+86{mobile(4)}")]
    assert [(reject["line"], reject["column"], reject["value"], reject["reason"]) for reject in rejects(report)] == [
        ("3", "手机", "10 digits", "no mobile"),
        ("4", "手机", "8 characters: digits, letters and signs", "a spreadsheet turned the number into a rounded one"),
    ]
    assert all("11 digits" in reject["remedy"] for reject in rejects(report))


def test_full_width_signs_are_read_as_what_they_look_like(registry: Registry):
    header = "京卡号,手机,邮箱,出生日期,性别,血型,短信同意"
    assert counts(
        registry.bring(header, "ＢＪ０００１,１７９１２３４５６７８,ａ＠ｂ．ｃｎ,１９９０－０５－０１,Ｍ,ＡＢ＋,ＹＥＳ")
    )
    found = registry.members("card_number", "mobile", "email", "birth_date", "sex", "abo", "rhd", "consents")
    assert [tuple(map(str, row[:7])) for row in found] == [
        ("BJ0001", "+8617912345678", "a@b.cn", "1990-05-01", "male", "AB", "pos")
    ]
    assert found[0][7]


def test_every_bad_cell_of_a_row_is_named_and_no_value_leaks(registry: Registry):
    secret = ("Ge0rge", "1791234567", "not an address", "1990-13-40", "火星区", "Z型", "maybe")
    report = registry.bring("京卡号,姓名,手机,邮箱,出生日期,区,血型,短信同意", f"BJ0001,{','.join(secret)}")
    assert counts(report) == {"rows": 1, "rejected": 1}
    assert {column for _, column in places(report)} == {"手机", "邮箱", "出生日期", "区", "血型", "短信同意"}
    assert report.rejects_file is not None
    text = report.rejects_file.read_text("utf-8-sig")
    assert not [value for value in (*secret, "BJ0001") if value in text]
    assert all(reject["reason"] and reject["remedy"] for reject in rejects(report))
    assert registry.members("id") == []


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("出生日期", "2024-05-02", "a day in the future"),
        ("出生日期", "2015-01-01", "younger than 14"),
        ("出生日期", "1899-12-31", "a day before 1900"),
        ("出生日期", "2023-02-29", "a day that is in no calendar"),
        ("邮箱", "a@b", "no e-mail address"),
        ("性别", "x", "an unknown word"),
        ("姓名", "王" * 65, "more than 64 characters"),
        ("RhD", "maybe", "no RhD type"),
        ("同意来源", "two words", "more than one word, or signs"),
        ("退订", "perhaps", "neither yes nor no"),
    ],
)
def test_why_a_cell_is_rejected(registry: Registry, column: str, cell: str, reason: str):
    report = registry.bring(f"京卡号,{column}", f"BJ0001,{cell}", "BJ0002,")
    assert [(reject["column"], reject["reason"]) for reject in rejects(report)] == [(column, reason)]
    assert counts(report) == {"rows": 2, "added": 1, "rejected": 1}


# --- blood, in all the ways that people put it together -----------------------------------------------------------

_GROUPS = {
    ABO.A: ["A", "a", "Ａ", "A1"],
    ABO.B: ["B", "b", "Ｂ"],
    ABO.AB: ["AB", "ab", "ＡＢ"],
    ABO.O: ["O", "o", "Ｏ", "0", "０"],
}
_TYPES = {
    RhD.POSITIVE: ["+", "＋", "阳性", "阳", "Rh阳性", "RhD(+)", " pos", "Rh+"],
    RhD.NEGATIVE: ["-", "−", "－", "阴性", "阴", "Rh阴性", "RhD(-)", " NEG", "熊猫血"],
    RhD.WEAK: ["弱D", "(弱D型)"],
    RhD.DEL: [" DEL", "Del型"],
    None: [""],
}
_WRITTEN_GROUPS = st.sampled_from([(abo, word) for abo, words in _GROUPS.items() for word in words])
_WRITTEN_TYPES = st.sampled_from([(rhd, word) for rhd, words in _TYPES.items() for word in words])


@given(
    group=_WRITTEN_GROUPS,
    rhd=_WRITTEN_TYPES,
    before=st.sampled_from(["", " ", "血型：", "ABO血型:"]),
    kind=st.sampled_from(["", "型", " 型"]),
)
def test_group_and_rhd_are_read_however_they_are_put_together(group, rhd, before, kind):
    found = blood_of(before + group[1] + kind + rhd[1])
    assert (found.abo, found.rhd, found.subtype) == (group[0], rhd[0], None)


@given(st.tuples(*[st.text(max_size=12)] * len(BLOOD)))
@example(("A型", "", "-", ""))
@example(("AB-", "", "+", ""))
def test_any_words_are_blood_or_a_reason_and_nothing_is_made_up(cells):
    try:
        found = blood(cells)
    except BadGroup as bad:
        found = Blood(None, None, None, None, None)
        reason, column = str(bad), bad.column
    else:
        reason, column = "", BLOOD[0]
    assert column in BLOOD
    assert "\n" not in reason
    assert found.abo in (None, *ABO)
    assert found.rhd in (None, *RhD)
    assert (found.abo_source is None) == (found.abo is None and found.blood_subtype is None)
    assert (found.rhd_source is None) == (found.rhd is None)
    assert not (found.blood_subtype == "Oh" and found.abo)


def test_a_blood_type_that_contradicts_its_rhd_column_is_rejected(registry: Registry):
    report = registry.bring("京卡号,血型,RhD", "BJ0001,AB-,+", "BJ0002,AB-,-", "BJ0003,未知,")
    assert places(report) == [(2, "RhD")]
    assert registry.members("abo", "rhd", "abo_source") == [("AB", "neg", "self-reported"), (None, None, None)]
