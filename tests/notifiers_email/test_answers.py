"""What people's mail programs make of an answer, and what we take from it."""

import time
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.email.answers import MOST_LINES, MOST_SIGNS, first_words, words_of
from notifiers.email.hypertext import text_of_html

QUOTE = "> 【12351】急需AB型血小板，请回复1。\n> 拒收请回复R\n"

TEXTS = {
    "alone": ("1", "1"),
    "two lines": ("可以\n晚上八点后", "可以\n晚上八点后"),
    "Gmail, Chinese": ("愿意\n\n驰援 <reply+07@in.centre.test> 于2011年11月24日周四 20:00写道：\n\n" + QUOTE, "愿意"),
    "Gmail, Chinese, broken": (
        "愿意\n\n驰援 <reply+07@in.centre.test>\n于2011年11月24日周四 20:00写道：\n" + QUOTE,
        "愿意",
    ),
    "Gmail, English": (
        "yes in 2 hours\n\nOn Thu, Nov 24, 2011 at 8:00 PM Muster <reply+07@in.centre.test> wrote:\n\n" + QUOTE,
        "yes in 2 hours",
    ),
    "Gmail, English, broken": (
        "Yes\n\nOn Thu, Nov 24, 2011 at 8:00 PM 驰援 Muster <reply+07@in.centre.test>\nwrote:\n\n" + QUOTE,
        "Yes",
    ),
    "163": ('我来\n\n在 2011-11-24 20:00:00，"驰援" <reply+07@in.centre.test> 写道：\n\n' + QUOTE, "我来"),
    "163, English": ('1\nAt 2011-11-24 20:00:00, "Muster" <reply@in.centre.test> wrote:\n' + QUOTE, "1"),
    "QQ": (
        "不行但我弟弟是B型阴性\n\n\n------------------ 原始邮件 ------------------\n发件人: 驰援\n正文",
        "不行但我弟弟是B型阴性",
    ),
    "Outlook, Chinese": (
        "2\n\n发件人: 驰援 <reply@in.centre.test>\n发送时间: 2011年11月24日 20:00\n主题: 急需\n\n正文",
        "2",
    ),
    "Outlook, English": ("No\n\n-----Original Message-----\nFrom: Muster\nSent: Thursday\n\ntext", "No"),
    "Outlook, rule": ("好的\n________________________________\nFrom: Muster\ntext", "好的"),
    "Apple Mail": (
        "能来\n\n发自我的 iPhone\n\n> 在 2011年11月24日，20:00，驰援 <reply@in.centre.test> 写道：\n> 正文",
        "能来",
    ),
    "below the history": (QUOTE + "\n愿意\n", "愿意"),
    "below an attribution": ("On 24.11.11 20:00, Muster wrote:\n" + QUOTE + "\nI can come at 9\n", "I can come at 9"),
    "signature": ("1\n-- \nAnn\n179 0000 0000", "1"),
    "signature of a telephone": ("Yes\nSent from my iPhone", "Yes"),
    "full width": ("１。", "１。"),
    "blank signs": ("\ufeff\u200b \u00a01\u00a0 ", "1"),
    "a question": ("谁？这是诈骗吗", "谁？这是诈骗吗"),
    "a time of day is no history": (
        "On 3 pm\nyes\n\nOn Thu, Nov 24, 2011 at 8:00 PM M <a@b.test> wrote:\n> x",
        "On 3 pm\nyes",
    ),
    "a place is no history": ("在单位，8点后可以\n谢谢", "在单位，8点后可以\n谢谢"),
    "only history": ("发件人: 驰援\n请回复1", ""),
    "only quoted": (QUOTE, ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "words"), TEXTS.values(), ids=TEXTS)
def test_only_what_was_written_now_counts(text, words):
    assert first_words(text) == words


@pytest.mark.parametrize("text", [text.replace("\n", "\r\n") for text, _ in TEXTS.values()], ids=TEXTS)
def test_line_ends_make_no_difference(text):
    assert first_words(text) == first_words(text.replace("\r\n", "\n"))


PAGES = {
    "paragraphs": ("<p>愿意</p><p>八点后</p>", "愿意\n八点后"),
    "source lines are blanks": ("<div>我可以\n来</div>", "我可以 来"),
    "breaks": ("1<br>谢谢<br/>再见", "1\n谢谢\n再见"),
    "entities": ("A&nbsp;&amp;&nbsp;B &#x4E00;", "A & B 一"),
    "Gmail": (
        '<div dir="ltr">愿意</div><br><div class="gmail_quote"><div>驰援 于2011年写道：</div><p>请回复1</p></div>',
        "愿意",
    ),
    "163": (
        '<div>我来</div><div id="isReplyContent"><p>在 2011-11-24，"驰援" 写道：</p><div>请回复1</div></div>',
        "我来",
    ),
    "QQ": (
        "<div>可以</div><div>------------------&nbsp;原始邮件&nbsp;------------------</div><div>发件人: 驰援</div>",
        "可以",
    ),
    "QQ on a telephone": ("<div>可以</div><includetail><div>请回复1</div></includetail>", "可以"),
    "Outlook": (
        '<head><style>p{color:red}</style></head><p>好的</p><hr><div id="divRplyFwdMsg"><b>发件人:</b> 驰援</div>',
        "好的",
    ),
    "Thunderbird": (
        '<div class="moz-cite-prefix">On 24.11.11, M wrote:</div><blockquote type="cite">1?</blockquote>yes',
        "yes",
    ),
    "nested quotes": ("<blockquote>a<blockquote>b</blockquote>c</blockquote>yes", "yes"),
    "scripts say nothing": ("<script>alert('1')</script><style>1</style>2", "2"),
    "unclosed": ("<div>1<p>2<blockquote>3", "1\n2"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("page", "words"), PAGES.values(), ids=PAGES)
def test_pages_read_as_people_see_them(page, words):
    assert first_words(text_of_html(page)) == words


def plain(charset: str | None, encoding: str, text: str, *, codec: str | None = None, kind: str = "plain") -> bytes:
    import base64  # noqa: PLC0415
    import quopri  # noqa: PLC0415

    raw = text.encode(codec or charset or "utf-8")
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring, "8bit": lambda raw: raw}[encoding](
        raw
    )
    named = f'; charset="{charset}"' if charset else ""
    return f"Content-Type: text/{kind}{named}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + body


SAYS = "我可以，晚上八点后\n\n发自我的iPhone"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", None),
        ("UTF-8", None),
        ("gb18030", None),
        ("GBK", None),
        ("gb2312", "gb18030"),
        ("x-gbk", "gbk"),
        ("big5", "utf-8"),  # a lie that can be seen through
        ("nonsense", "utf-8"),
        (None, "utf-8"),
        (None, "gb18030"),
        ("us-ascii", "gb18030"),
    ],
)
def test_bodies_read_in_every_charset_and_encoding(charset, codec, encoding):
    message = BytesParser(policy=compat32).parsebytes(plain(charset, encoding, SAYS, codec=codec))
    assert words_of(message) == "我可以，晚上八点后"


def test_signs_outside_gb2312_are_read_although_gb2312_is_named():
    message = BytesParser(policy=compat32).parsebytes(plain("gb2312", "base64", "我是𠮷䶮，可以", codec="gb18030"))
    assert words_of(message) == "我是𠮷䶮，可以"


@pytest.mark.parametrize(
    ("plain_part", "html_part", "words"),
    [
        ("愿意", "<p>别的</p>", "愿意"),
        ("", "<p>愿意</p>", "愿意"),
        (" \n", "<p>愿意</p>", "愿意"),
        (None, "<b>愿意</b>", "愿意"),
    ],
)
def test_the_plain_part_is_read_unless_it_is_empty(plain_part, html_part, words):
    message = EmailMessage()
    if plain_part is None:
        message.set_content(html_part, subtype="html")
    else:
        message.set_content(plain_part)
        message.add_alternative(html_part, subtype="html")
    assert words_of(BytesParser(policy=compat32).parsebytes(message.as_bytes())) == words


def test_attachments_are_not_read():
    message = EmailMessage()
    message.set_content("1")
    message.add_attachment("2", filename="answer.txt")
    message.add_attachment(b"\x89PNG" * 1000, maintype="image", subtype="png", filename="me.png")
    assert words_of(BytesParser(policy=compat32).parsebytes(message.as_bytes())) == "1"


@given(st.text())
def test_words_are_short_whatever_is_written(text):
    words = first_words(text)
    assert len(words) <= MOST_SIGNS
    assert len(words.splitlines()) <= max(MOST_LINES, words.count("\n") + 1)


@pytest.mark.parametrize(
    "text",
    [
        "-" * 500_000,
        " " * 500_000 + "x",
        "On 1 " * 100_000,
        ("在 1 " * 40 + "\n") * 5_000,
        "<a@b>" * 100_000,
        "于2011年" * 70_000,
        ">" * 500_000,
    ],
    ids=["dashes", "blanks", "On", "lines", "addresses", "dates", "quotes"],
)
def test_a_message_made_to_keep_us_busy_does_not(text):
    began = time.process_time()
    first_words(text)
    assert time.process_time() - began < 2
