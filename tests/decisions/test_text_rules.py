"""The linter lets no mass message out that the law or a patient's privacy forbids, and says what to write instead."""

import pytest

from decisions.wording import check_mass_text

GOOD = "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"


def plea(middle: str) -> str:
    return f"【北京市总工会】{middle}。拒收请回复R"


REJECTED = [
    (plea("凭身份证献血"), "document"),
    (plea("病历见后"), "document"),
    (plea("床号12，急需血小板"), "document"),
    (plea("患者姓名见附件，在友谊医院"), "a name and a hospital"),
    (plea("急需AB型血，请拨010-63811157"), "phone number"),
    (plea("急需AB型血，请拨179 1234 5678"), "phone number"),
    (plea("请拨１７９１２３４５６７８"), "phone number"),
    (plea("急需AB型血，有偿"), "offers something"),
    (plea("献血有营养费"), "offers something"),
    (plea("献血者领报酬"), "offers something"),
    (plea("献血领红包"), "offers something"),
    (plea("看 http://example.com/a"), "link"),
    (plea("看 www.example.org"), "link"),
    (plea("看 a.example.cn"), "link"),
    (plea("您可以献血"), "only the blood station decides"),
    (plea("血" * 126), "segments"),
    (plea("紧急求助：朝阳区一名淋巴瘤患者急需AB型血小板"), "a diagnosis and a district"),
    (plea("35岁患者在ICU，急需AB型血小板"), "an age and a hospital"),
    ("紧急：急需AB型血小板。拒收请回复R", "signature"),
    ("紧急【北京市总工会】急需AB型血小板。拒收请回复R", "signature"),
    ("【北京市总工会】紧急：急需AB型血小板", "way out"),
    ("【北京市总工会】拒收请回复R。急需AB型血小板", "way out"),
    ("[BFTU] You can donate! Opt out: R", "only the blood station decides"),
    ("[BFTU] A 35-year-old in hospital needs blood. Opt out: R", "an age and a hospital"),
    ("[BFTU] Blood needed, cash reward. Opt out: R", "offers something"),
]
ACCEPTED = [
    GOOD,
    plea("急需AB型血小板，18:00前，2026-11-24，咨询12351"),
    plea("急需AB型血小板400ml，需15人，符合初筛条件者请回复1"),
    plea("如果您能献请回复1"),
    plea("朝阳区急需AB型血小板"),
    plea("血" * 117),
    "【北京市总工会】急需AB型血小板。退订回TD",
    "[BFTU] Urgent: group AB platelets needed. If you can donate reply 1. Reply STOP to opt out",
]


@pytest.mark.parametrize(("text", "reason"), REJECTED, ids=[text[:24] for text, _ in REJECTED])
def test_a_bad_text_is_rejected_with_one_reason_and_a_remedy(text, reason):
    problems = check_mass_text(text)

    assert len(problems) == 1
    assert reason in problems[0].reason
    assert problems[0].remedy


@pytest.mark.parametrize("text", ACCEPTED, ids=[text[:24] for text in ACCEPTED])
def test_a_good_text_passes(text):
    assert check_mass_text(text) == []


def test_every_fault_is_told_at_once():
    assert len(check_mass_text("领红包，凭身份证，拨01063811157，看 http://a.cn")) == 6


def test_numbers_and_sites_of_ours_may_be_named():
    text = plea("拨010-63811157，看 https://xue.example.cn/a")

    assert len(check_mass_text(text)) == 2
    assert check_mass_text(text, numbers=("01063811157",), sites=("xue.example.cn",)) == []
    assert len(check_mass_text(plea("看 xue.example.cn.evil.com"), sites=("xue.example.cn",))) == 1
    assert len(check_mass_text(plea("看 evilxue.example.cn"), sites=("xue.example.cn",))) == 1
