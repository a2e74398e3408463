import pytest

from decisions.blood_words import NOT_KNOWN, BloodWords, blood_of, rhd_of
from schemas.words import ABO, RhD

POSITIVE, NEGATIVE = RhD.POSITIVE, RhD.NEGATIVE


@pytest.mark.parametrize(
    ("text", "abo", "rhd"),
    [
        ("A", ABO.A, None),
        ("A型", ABO.A, None),
        ("ａｂ型", ABO.AB, None),
        ("Ｏ型", ABO.O, None),
        ("血型：0型", ABO.O, None),
        ("０型", ABO.O, None),
        ("B型血", ABO.B, None),
        ("A1", ABO.A, None),
        ("O型Rh阳性", ABO.O, POSITIVE),
        ("AB型Rh阴性", ABO.AB, NEGATIVE),
        ("AB RhD(-)", ABO.AB, NEGATIVE),
        ("AB-", ABO.AB, NEGATIVE),
        ("AB\u2212", ABO.AB, NEGATIVE),
        ("AB－", ABO.AB, NEGATIVE),
        ("AB阴", ABO.AB, NEGATIVE),
        ("O＋", ABO.O, POSITIVE),
        ("o pos", ABO.O, POSITIVE),
        ("Rh阴性A型", ABO.A, NEGATIVE),
        ("B型（RhD阴性）", ABO.B, NEGATIVE),
        ("A型熊猫血", ABO.A, NEGATIVE),
        ("熊猫血", None, NEGATIVE),
        ("A型弱D", ABO.A, RhD.WEAK),
        ("B DEL", ABO.B, RhD.DEL),
    ],
)
def test_plain_groups_are_understood(text, abo, rhd):
    assert blood_of(text) == BloodWords(abo, rhd)


@pytest.mark.parametrize("text", ["", "  ", "未知", "不详", "unknown", "-", "—", "N/A", "血型：未知"])
def test_words_for_nothing_are_no_error(text):
    assert blood_of(text) == NOT_KNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A2", BloodWords(ABO.A, None, "A2")),
        ("A亚型", BloodWords(ABO.A, None, "Asub")),
        ("孟买型", BloodWords(subtype="Oh")),
        ("Oh", BloodWords(subtype="Oh")),
        ("类孟买", BloodWords(subtype="Oh")),
    ],
)
def test_rare_groups_never_pass_for_plain_ones(text, expected):
    assert blood_of(text) == expected


@pytest.mark.parametrize("text", ["C型", "AA", "A型B型", "ABC", "12", "阳性阴性", "A+-", "type"])
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match="no blood type"):
        blood_of(text)


@pytest.mark.parametrize(
    ("text", "rhd"),
    [
        ("阳性", POSITIVE),
        ("RhD阳性", POSITIVE),
        ("+", POSITIVE),
        ("Rh(D)+", POSITIVE),
        ("pos", POSITIVE),
        ("阴", NEGATIVE),
        ("-", NEGATIVE),
        ("\u2212", NEGATIVE),
        ("Rh-", NEGATIVE),
        ("弱D", RhD.WEAK),
        ("DEL", RhD.DEL),
        ("", None),
        ("未知", None),
    ],
)
def test_a_column_of_its_own_says_the_rhd_type(text, rhd):
    assert rhd_of(text) == rhd


def test_a_group_in_the_rhd_column_is_refused():
    with pytest.raises(ValueError, match="no RhD type"):
        rhd_of("AB")
