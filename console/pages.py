"""The four pages that a member may see after following an opt-out link, in Chinese and English."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from html import escape

from schemas.words import Purpose

HOTLINE = "12351"

# No image, font or script from anywhere: the page must open at once on a poor line, and tell nobody who opened it.
STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--soft:#4a4a4a;--line:#767676;--act:#0b5394;--on-act:#fff}
@media (prefers-color-scheme:dark){
:root{--ink:#f2f2f2;--paper:#16181b;--soft:#c9c9c9;--line:#8c8c8c;--act:#9cc9ff;--on-act:#0b1a2b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:1.125rem/1.6 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
main{max-width:34rem;margin:0 auto;padding:2rem 1.25rem}
h1{font-size:1.5rem;line-height:1.35;margin:0 0 .75rem;text-wrap:balance}
p{margin:0 0 1rem}
[lang=en]{color:var(--soft)}
h1 [lang=en]{display:block;font-size:1.1rem;font-weight:600}
button{display:block;width:100%;min-height:3.5rem;margin:1.5rem 0;padding:.5rem 1rem;border:0;border-radius:.5rem;
background:var(--act);color:var(--on-act);font:inherit;font-weight:600;cursor:pointer}
button [lang=en]{color:inherit;font-weight:400}
button:focus-visible,a:focus-visible{outline:3px solid var(--ink);outline-offset:3px}
footer{border-top:1px solid var(--line);margin-top:2rem;padding-top:1rem;font-size:1rem}
a{color:var(--act)}
"""
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

BUTTON = """<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">
<input type="hidden" name="by" value="page">
<button type="submit">不再接收 <span lang="en">Stop these e-mails</span></button></form>"""


class Page(Enum):
    """Which page."""

    ASK = "ask"
    DONE = "done"
    LATER = "later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wording:
    """What a page says; `{list}` is the name of the list."""

    heading: tuple[str, str]
    body: tuple[str, str]
    button: bool = False


NAMES: Mapping[Purpose | None, tuple[str, str]] = {
    None: ("所有邮件", "all e-mails"),
    Purpose.BLOOD: ("献血征集邮件", "e-mails asking for blood donations"),
    Purpose.VOLUNTEER: ("志愿服务邮件", "e-mails asking for volunteers"),
    Purpose.BENEFITS: ("会员福利邮件", "e-mails about members' benefits"),
}

WORDINGS: Mapping[Page, Wording] = {
    Page.ASK: Wording(
        ("不再接收{list}？", "Stop {list}?"),
        (
            "按下按钮后立即生效，您的会员权益不受影响。如需停收短信，请回复短信 R。",
            "It takes effect at once. Your membership stays as it is. To stop text messages, answer one with R.",
        ),
        button=True,
    ),
    Page.DONE: Wording(
        ("已退订{list}", "You will get no more {list}"),
        (
            "我们不会再向您发送。感谢您一直以来的支持。您可以关闭此页。",
            "We will not send you any more. Thank you for your support. You may close this page.",
        ),
    ),
    Page.LATER: Wording(
        ("暂时未能保存", "Not saved yet"),
        (
            f"您的退订尚未生效。请几分钟后再试一次，或拨打 {HOTLINE}。",
            f"You are still on the list. Please try again in a few minutes, or call {HOTLINE}.",
        ),
        button=True,
    ),
    Page.UNKNOWN: Wording(
        ("链接无效", "This link is not valid"),
        (
            f"链接可能不完整。请从邮件中重新打开，回复邮件写“退订”，或拨打 {HOTLINE}。",
            f"It may be incomplete. Open it from the e-mail again, answer the e-mail with “stop”, or call {HOTLINE}.",
        ),
    ),
}


def page(which: Page, purpose: Purpose | None) -> str:
    """The whole page.  It names the list and never the member."""
    wording = WORDINGS[which]
    chinese, english = (
        tuple(escape(text.format(list=name)) for text in pair)
        for pair, name in (
            ((wording.heading[0], wording.body[0]), NAMES[purpose][0]),
            ((wording.heading[1], wording.body[1]), NAMES[purpose][1]),
        )
    )
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{chinese[0]} · {english[0]}</title><style>{STYLE}</style></head>
<body><main><h1>{chinese[0]} <span lang="en">{english[0]}</span></h1>
<p>{chinese[1]}</p><p lang="en">{english[1]}</p>
{BUTTON if wording.button else ""}
<footer><p>职工服务热线 <a href="tel:{HOTLINE}">{HOTLINE}</a>（24 小时）<br>
<span lang="en">Workers' service line, day and night</span></p></footer></main></body></html>
"""
