"""What people understand from the texts they get."""

import pytest

from rehearsal.reading import Plea, understand
from tests.rehearsal.esme import PLEA


def plea(*groups: str, negative: bool = False) -> Plea:
    return Plea(frozenset(groups), negative_only=negative)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (PLEA, plea("AB")),
        ("[BFTU] Urgent: group AB platelets needed. Can you donate? Reply 1 yes, 2 no. Opt out: R", plea("AB")),
        (
            "【北京市总工会】紧急：患者急需O型Rh阴性血小板，能献请回复1，不能回复2。拒收请回复R",
            plea("O", negative=True),
        ),
        ("【北京市总工会】急需0型全血，能献请回复１。拒收请回复R", plea("O")),
        ("【工会】急需A型或B型血小板，能献请回复1", plea("A", "B")),
        ("【工会】急需A、O型血，能献请回复1", plea("A", "O")),
        ("【工会】急需ＡＢ型血小板，能献请回复“1”", plea("AB")),
        ("Blood group A or B needed urgently, reply YES", plea("A", "B")),
        ("A- platelets needed. Reply 1", plea("A", negative=True)),
        ("A blood donor is needed, any group. Reply 1", plea()),
        ("AB+ plasma needed. Reply 1 yes, 2 no", plea("AB")),
        ("Type O RhD negative needed. Reply 1 yes, 2 no", plea("O", negative=True)),
        ("【工会】急需志愿者翻译，能来请回复1", plea()),
    ],
)
def test_a_plea_is_understood(text: str, meaning: Plea) -> None:
    assert understand(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "【北京市总工会】谢谢您！我们会尽快与您联系。如需取消请回复2",
        "【北京市总工会】感谢您愿意帮助AB型患者，需求已满足，无需前往。",
        "[BFTU] Thank you! We will call you soon. To take it back reply 2.",
        "[BFTU] The need is met, thank you. You need not come.",
        "【北京市总工会】您已退订，不会再收到此类短信。",
        "",
    ],
)
def test_thanks_and_stand_downs_ask_for_nothing(text: str) -> None:
    assert understand(text) is None


@pytest.mark.parametrize(
    ("asked", "abo", "rhd", "meant"),
    [
        (plea("AB"), "AB", "pos", True),
        (plea("AB"), "AB", "neg", True),
        (plea("AB"), "A", "pos", False),
        (plea("A", "O"), "O", "pos", True),
        (plea("O", negative=True), "O", "pos", False),
        (plea("O", negative=True), "O", "neg", True),
        (plea(), "B", "pos", True),
    ],
)
def test_people_compare_with_their_own_type(asked: Plea, abo: str, rhd: str, *, meant: bool) -> None:
    assert asked.means(abo, rhd) is meant
