"""What members type is understood as domain.md, section 3.7, says, and a stop is heard in whatever dress it comes."""

import string
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decisions.replies import answer_of, resolved, understand
from decisions.reply_words import Intent, Reason
from schemas.words import Answer


class Said(NamedTuple):
    text: str
    intent: Intent
    reason: Reason | None = None
    prefix: str | None = None


DOMAIN = [
    *(Said(text, Intent.YES, Reason.EXACT) for text in ("1", "１", "1。", "回复1", " 1 ")),
    Said("2", Intent.NO, Reason.EXACT),
    *(Said(text, Intent.NO) for text in ("不能", "不愿意", "去不了")),
    Said("能不能明天去？", Intent.QUESTION, Reason.ASKS),
    Said("18点能到", Intent.YES, Reason.TIMED),
    Said("2小时后到", Intent.YES, Reason.TIMED),
    Said("12", Intent.UNCLEAR, Reason.DIGITS),
    *(Said(text, Intent.OPT_OUT) for text in ("R", "r", "Ｒ", "TD", "退订", "T")),
    Said("退订吧 我已献过", Intent.OPT_OUT),
    Said("我感冒了", Intent.UNCLEAR, Reason.HEALTH),
    Said("我是B型", Intent.UNCLEAR, Reason.BLOOD_TYPE),
    Said("谁？", Intent.QUESTION, Reason.DISTRUST),
    Said("诈骗", Intent.QUESTION, Reason.DISTRUST),
    Said("", Intent.EMPTY),
    Said("取消", Intent.WITHDRAW_OR_OPT_OUT),
    Said("N", Intent.NO),
    Said("回N退订", Intent.OPT_OUT),
]
OPT_OUT_WORDS = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "ARRET",
    "OPT-OUT",
    "REMOVE",
    "TD",
    "R",
    "T",
    "N退订",
    "退订",
    "拒收",
    "不要再发",
    "停",
    "别发了",
    "屏蔽",
]
ACCEPT_WORDS = ["1", "是", "能", "可以", "愿意", "报名", "我来", "我去", "参加", "好的", "行", "Y", "YES"]
DECLINE_WORDS = ["2", "否", "不能", "不行", "不方便", "没空", "去不了", "不愿意", "在外地", "N"]

STOPS = [
    *(
        Said(text, Intent.OPT_OUT)
        for text in ("STOP PLEASE", "please stop", "STOP ALL", "Stop texting me!", "t.d.", "RR")
    ),
    *(
        Said(text, Intent.OPT_OUT)
        for text in ("回复R", "回T退订", "退订回T", "R 谢谢", "1R", "2 R", "请回复：R", "ＴＤ！")
    ),
    *(
        Said(text, Intent.OPT_OUT)
        for text in ("別發了", "請不要再給我發短信", "骗子 别发了", "怎么退订？", "不想再收到", "停止发送")
    ),
    *(Said(text, Intent.OPT_OUT) for text in ("don't text me again", "remove me from your list", "opt out", "ARRÊT")),
    Said("我不退订", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("don't stop", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("R是什么意思", Intent.QUESTION, Reason.ASKS),
    Said("停车场在哪", Intent.QUESTION, Reason.ASKS),
    Said("Rh阴性", Intent.UNCLEAR, Reason.BLOOD_TYPE),
    Said("我坐T12次列车", Intent.UNCLEAR, Reason.UNKNOWN),
    Said("I'll stop by at 6", Intent.YES, Reason.TIMED),
]
ANSWERS = [
    *(
        Said(text, Intent.YES)
        for text in ("願意", "①", "1️⃣", "我选1", "没问题", "no problem", "ok的", "我要报名", "马上到", "On my way")
    ),
    *(
        Said(text, Intent.YES, Reason.TIMED)
        for text in ("可以，晚上八点后", "yes in 2 hours", "半小时到", "18:30到", "sure, at 6")
    ),
    *(Said(text, Intent.YES, Reason.LEADING) for text in ("1，能", "1 2小时后到", "1 谢谢", "1可能晚点到")),
    Said("2个人能来", Intent.YES, Reason.PHRASE),
    Said("1，我弟弟也可以", Intent.YES, Reason.REFERRAL),
    Said("我是AB型，可以去", Intent.YES, Reason.BLOOD_TYPE),
    Said("不好意思，可以", Intent.YES),
    *(
        Said(text, Intent.NO)
        for text in ("不太方便", "我来不了了", "不ok", "I can't come", "No sorry", "我没空，谢谢", "不，谢谢")
    ),
    Said("不行，我感冒了", Intent.NO, Reason.HEALTH),
    Said("不行但我弟弟是B型阴性", Intent.NO, Reason.REFERRAL),
    Said("取消报名", Intent.WITHDRAW_OR_OPT_OUT),
]
FOR_A_PERSON = [
    Said("1不能", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("2 能", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("1或2", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("现在不行晚上可以", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("不是不能", Intent.UNCLEAR, Reason.CONTRADICTORY),
    Said("不一定能去", Intent.UNCLEAR, Reason.UNSURE),
    Said("1，但我感冒了", Intent.UNCLEAR, Reason.HEALTH),
    Said("我是A型，上个月刚献过", Intent.UNCLEAR, Reason.DONATED),
    Said("我弟弟可以", Intent.UNCLEAR, Reason.REFERRAL),
    Said("1 2", Intent.UNCLEAR, Reason.DIGITS),
    Said("111", Intent.UNCLEAR, Reason.DIGITS),
    Said("👍", Intent.UNCLEAR, Reason.NO_WORDS),
    Said("START", Intent.UNCLEAR, Reason.OPT_IN),
    Said("银行", Intent.UNCLEAR, Reason.UNKNOWN),
    Said("HELP", Intent.QUESTION, Reason.HELP),
    Said("可以？", Intent.QUESTION, Reason.ASKS),
    Said("1?", Intent.QUESTION, Reason.ASKS),
    Said("可以，地址在哪？", Intent.QUESTION, Reason.ASKS),
    Said("Can I come tomorrow", Intent.QUESTION, Reason.ASKS),
    Said("？", Intent.QUESTION, Reason.ASKS),
    Said("怎么取消", Intent.QUESTION, Reason.ASKS),
]
NO_ANSWER = [Said("。。。", Intent.EMPTY), Said("\u200b \n", Intent.EMPTY)]
LETTERED = [
    Said("A1", Intent.YES, prefix="A"),
    Said("b 2", Intent.NO, prefix="B"),
    Said("Ｂ：能", Intent.YES, prefix="B"),
    Said("A 可以，晚上八点后", Intent.YES, Reason.TIMED, "A"),
    Said("C-1", Intent.YES, prefix="C"),
    Said("A型", Intent.UNCLEAR, Reason.BLOOD_TYPE),
    Said("A1?", Intent.QUESTION),
    Said("a yes", Intent.YES, prefix="A"),
    Said("ano", Intent.UNCLEAR),
]
OUR_OWN = "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"
QUOTED = [
    Said(OUR_OWN, Intent.UNCLEAR, Reason.QUOTED),
    Said(f"{OUR_OWN} 1", Intent.YES),
    Said(f"{OUR_OWN}\n退订", Intent.OPT_OUT),
    Said("[BFTU] Urgent: group AB platelets needed. Reply 1 yes, 2 no. Opt out: R\nyes", Intent.YES),
    Said("1\n> 拒收请回复R", Intent.YES),
]
WORD_LISTS = [
    *(Said(word, Intent.OPT_OUT) for word in OPT_OUT_WORDS),
    *(Said(word, Intent.YES) for word in ACCEPT_WORDS),
    *(Said(word, Intent.NO) for word in DECLINE_WORDS),
]


@pytest.mark.parametrize(
    "said",
    [*DOMAIN, *WORD_LISTS, *STOPS, *ANSWERS, *FOR_A_PERSON, *NO_ANSWER, *LETTERED, *QUOTED],
    ids=lambda said: said.text or "empty",
)
def test_replies_are_understood(said: Said):
    reading = understand(said.text)

    assert reading.intent is said.intent
    assert reading.prefix == said.prefix
    if said.reason is not None:
        assert reading.reason is said.reason


@pytest.mark.parametrize("said", FOR_A_PERSON, ids=lambda said: said.text)
def test_a_person_reads_what_is_no_plain_answer(said: Said):
    reading = understand(said.text)

    assert reading.needs_person
    assert answer_of(reading, open_yes=False) is None


@given(st.text())
@example("\ud800")
@example("1" * 100_000)
@example("不" * 100_000)
@example("a " * 50_000)
@example("\x00")
def test_nothing_that_is_typed_raises(text: str):
    reading = understand(text)

    assert isinstance(reading.intent, Intent)
    assert 0 < reading.confidence < 1
    assert understand(text) == reading


_FULL_WIDTH = str.maketrans({char: chr(ord(char) + 0xFEE0) for char in string.ascii_letters})
_AROUND = st.text(alphabet=" \t\n.。,，!！~～…、;；:：?？'\"“”()（）【】《》-—*#·\u3000\u200b\ufe0f", max_size=6)


@given(
    word=st.sampled_from(OPT_OUT_WORDS),
    dress=st.sampled_from([str, str.lower, str.upper, str.title, lambda word: word.translate(_FULL_WIDTH)]),
    before=_AROUND,
    after=_AROUND,
)
def test_an_opt_out_is_heard_in_any_dress(word, dress, before, after):
    assert understand(f"{before}{dress(word)}{after}").intent is Intent.OPT_OUT


@given(
    word=st.sampled_from(["退订", "拒收", "别发了", "不要再发", "STOP"]),
    remark=st.sampled_from(["我已献过", "1", "谢谢", "可以", "?"]),
)
def test_an_opt_out_beats_whatever_else_is_said(word, remark):
    assert understand(f"{word} {remark}").intent is Intent.OPT_OUT
    assert understand(f"{remark} {word}").intent is Intent.OPT_OUT


def test_cancel_takes_back_a_yes_and_otherwise_opts_out():
    reading = understand("取消")

    assert resolved(reading, open_yes=True).intent is Intent.WITHDRAW
    assert resolved(reading, open_yes=False).intent is Intent.OPT_OUT


@pytest.mark.parametrize(
    ("text", "open_yes", "answer"),
    [
        ("1", False, Answer.YES),
        ("1", True, Answer.YES),
        ("2", False, Answer.NO),
        ("2", True, Answer.WITHDRAWN),
        ("取消", True, Answer.WITHDRAWN),
        ("取消", False, None),
        ("R", False, None),
        ("R", True, Answer.WITHDRAWN),
        ("谁？", True, None),
        ("", True, None),
    ],
)
def test_the_answer_depends_on_whether_a_yes_is_open(text, open_yes, answer):
    assert answer_of(understand(text), open_yes=open_yes) is answer
