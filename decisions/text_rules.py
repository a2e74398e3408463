"""What a message may not say, and what it must: the linter behind every text that an officer writes.

Each rule is a row with its remedy.  Sources: 个人信息保护法, 献血法 6 and 11, 通信短信息服务管理规定 (MIIT Order 31).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from decisions.districts import load_districts
from decisions.problems import Problem
from decisions.segments import TextTooLong, segment

SIGNATURE: Final = re.compile(r"^(?:【[^【】\s]{2,32}】|\[[A-Za-z0-9 ]{2,32}\])")
WAY_OUT: Final = re.compile(
    r"(?:拒收请?回复?\s?R|退订请?回复?\s?(?:TD|T|R)|opt out:? (?:reply )?(?:R|STOP)|reply STOP to opt out)\W*$",
    re.IGNORECASE,
)
MOST_SEGMENTS: Final = 2
HOTLINE: Final = "12351"

_NUMBER = re.compile(r"\+?\d(?:[\d\s()\-–]*\d)?")
_DAY = re.compile(r"20\d\d\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}")
_ADDRESS = re.compile(
    r"https?://|www\.|\b[a-z0-9][a-z0-9\-]*\.(?:com|cn|net|org|top|xyz|cc|vip|gov|info|link|me)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that no message may contain."""

    words: re.Pattern[str]
    reason: str
    remedy: str


FORBIDDEN: Final = (
    Rule(
        re.compile(
            r"身份证|病历|住院号|床号|\d+\s*床|病案|\b(?:ID (?:card|number)|medical record|bed (?:no|number))\b",
            re.IGNORECASE,
        ),
        "it names a document or a bed of the patient",
        "say only what is needed, where to answer and until when",
    ),
    Rule(
        re.compile(
            r"有偿|营养费|营养补助|报酬|红包|酬金|酬谢|奖金|补贴|付费|卖血|\b(?:paid|payment|reward|cash|money)\b",
            re.IGNORECASE,
        ),
        "it offers something for blood, which the law forbids",
        "ask without offering anything",
    ),
    Rule(
        re.compile(
            r"(?<![如果若])(?:您|你)(?:可以|能够?|符合条件)(?:献|捐)|(?:您|你)符合献血"
            r"|(?<!if )\byou (?:can|may|are able to|are eligible to) (?:donate|give)",
            re.IGNORECASE,
        ),
        "it tells the member that they can donate, which only the blood station decides",
        "ask whether they can, or write 符合初筛条件",
    ),
)

# Each of these alone says little about a person; two of them together may point at one.
_POINTERS: Final = (
    ("a name", re.compile(r"姓名|患者(?:姓|叫|名)|[\u4e00-\u9fff]某|先生|女士|小朋友|\b(?:Mr|Mrs|Ms)\b")),
    ("an age", re.compile(r"\d+\s*岁|[一二三四五六七八九十]+岁|\b\d+[- ]years?[- ]old\b", re.IGNORECASE)),
    (
        "a hospital or ward",
        re.compile(r"医院|病房|病区|科室|[内外儿]科|ICU|\b(?:hospital|ward|clinic)\b", re.IGNORECASE),
    ),
    (
        "a diagnosis",
        re.compile(
            r"淋巴瘤|白血病|[癌瘤]|血友病|再障|贫血|地中海|手术|车祸|\b(?:lymphoma|leuk[a]?emia|cancer|tumou?r|surgery)\b",
            re.IGNORECASE,
        ),
    ),
)


def problems_of(text: str, numbers: tuple[str, ...], sites: tuple[str, ...], *, mass: bool) -> Iterator[Problem]:
    """What breaks a rule in this text; it may name only these phone numbers and sites.

    Only a mass message must name the way out: who has written to us knows it.
    """
    if not SIGNATURE.search(text):
        yield _problem("it does not begin with a signature", "begin with 【北京市总工会】 or [BFTU]")
    if mass and not WAY_OUT.search(text):
        yield _problem("it does not end with the way out", "end with 拒收请回复R or Opt out: R")
    if _segments(text) > MOST_SEGMENTS:
        yield _problem(
            f"it needs more than {MOST_SEGMENTS} segments",
            "shorten it to 134 Chinese characters, or 306 plain Latin ones",
        )
    for rule in FORBIDDEN:
        if rule.words.search(text):
            yield _problem(rule.reason, rule.remedy)
    if any(number not in numbers for number in _phone_numbers(text)):
        yield _problem("it names a phone number that is not ours", f"leave it out, or name {' or '.join(numbers)}")
    if _ADDRESS.search(_without(text, sites)):
        yield _problem("it has a link that is not on the list of allowed sites", "leave the link out")
    pointers = _pointers(text)
    if len(pointers) > 1:
        yield _problem(f"{' and '.join(pointers)} together may point at one patient", "keep at most one of them")


def _problem(reason: str, remedy: str) -> Problem:
    return Problem("text", reason, remedy)


def _segments(text: str) -> int:
    try:
        return len(segment(text).parts)
    except TextTooLong:
        return MOST_SEGMENTS + 1


def _phone_numbers(text: str) -> Iterator[str]:
    for found in _NUMBER.findall(_DAY.sub(" ", text)):
        digits = re.sub(r"\D", "", found)
        if len(digits) > len("9999"):
            yield digits


def _without(text: str, sites: tuple[str, ...]) -> str:
    for site in sites:
        text = re.sub(rf"(?:https?://)?(?<![\w.\-]){re.escape(site)}(?![\w\-]|\.\w)(?:/[\w\-./]*)?", " ", text)
    return text


def _pointers(text: str) -> list[str]:
    found = [name for name, pattern in _POINTERS if pattern.search(text)]
    if any(district.zh.removesuffix("区") in text or district.en in text for district in load_districts().all):
        found.append("a district")
    return found
