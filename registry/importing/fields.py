"""The columns that a file of members may have: the one table for the import, its messages and the documentation.

And those of the members table that are filled from them.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from schemas.words import CHANNEL_NAMES

# What an empty cell says about a member who is already known: that there is nothing any more, or nothing new.
Blank = Literal["clears", "keeps"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column.  `remedy` says what a good value looks like."""

    name: str
    headers: tuple[str, ...]
    blank: Blank
    remedy: str
    required: bool = False


_CHANNELS: Final = ", ".join(f"{name.chinese}/{channel}" for channel, name in CHANNEL_NAMES.items())
_YES_NO: Final = "yes, no, or the day of the yes as 2024-05-01; empty says nothing"
_DAY: Final = "a day as 2024-05-01, 2024/5/1, 20240501 or 2024年5月1日"

FIELDS: Final = (
    Field("card_number", ("京卡号", "会员卡号", "卡号"), "clears", "4 to 32 digits and letters", required=True),
    Field("name", ("姓名", "会员姓名"), "clears", "at most 64 characters"),
    Field(
        "mobile",
        ("手机", "手机号", "手机号码", "移动电话"),
        "clears",
        "a mobile of 11 digits, +86 or 0086 before it if you like, or nothing; as text, not as a number",
    ),
    Field("email", ("邮箱", "电子邮箱", "电子邮件", "e-mail"), "clears", "one address as name@example.com, or nothing"),
    Field("preferred_channel", ("首选渠道", "联系方式"), "clears", _CHANNELS),
    Field("language", ("语言", "首选语言"), "clears", "中文/zh or 英文/en"),
    Field("sex", ("性别",), "clears", "男/male/m or 女/female/f"),
    Field("birth_date", ("出生日期", "生日"), "clears", _DAY),
    Field(
        "district", ("区", "区县", "所在区"), "clears", "a district of Beijing by name or GB/T 2260 code, or nothing"
    ),
    Field("union", ("工会", "所属工会", "单位工会"), "clears", "at most 120 characters"),
    Field("blood_type", ("血型", "ABO血型"), "keeps", "A型, B, AB−, O型Rh阳性 and so on, 未知, or nothing"),
    Field("blood_source", ("血型来源",), "keeps", "实验室/laboratory or 自报/self-reported (which also nothing means)"),
    Field("rhd", ("RhD", "Rh", "Rh血型"), "keeps", "阳性/pos/+, 阴性/neg/-, 弱D/weak, DEL, or nothing"),
    Field("rhd_source", ("RhD来源", "Rh来源"), "keeps", "as for blood_source, whose value counts where this is empty"),
    Field("last_donation_on", ("末次献血日期", "上次献血日期"), "keeps", _DAY + "; the latest known day stays"),
    Field(
        "last_donation_component",
        ("末次献血成分", "上次献血成分"),
        "keeps",
        "全血/whole-blood, 血小板/platelets or 血浆/plasma",
    ),
    Field("deferred_until", ("暂缓至", "暂缓献血至"), "keeps", _DAY),
    Field("deferral_code", ("暂缓代码",), "keeps", "间隔期/interval, 临时/temporary, 永久/permanent or 其他/other"),
    Field("skills", ("技能", "特长"), "clears", "words of at most 200 characters, with ; between them"),
    *(
        Field(f"consent_{channel}", (f"{name.chinese}同意", f"同意{name.chinese}"), "keeps", _YES_NO)
        for channel, name in CHANNEL_NAMES.items()
    ),
    Field("consent_blood", ("献血同意", "同意献血"), "keeps", _YES_NO),
    Field("consent_volunteer", ("志愿同意", "同意志愿"), "keeps", _YES_NO),
    Field("consent_benefits", ("福利同意", "同意福利"), "keeps", _YES_NO),
    Field("consent_on", ("同意日期",), "keeps", _DAY + "; the day of every yes and no without one of its own"),
    Field("consent_source", ("同意来源",), "keeps", "one word of at most 32 letters and digits, such as form or 柜台"),
    Field("opt_out", ("退订", "拒收"), "keeps", "yes, or nothing; an import never undoes an opt-out"),
)

# The columns of the members table that a file fills, in the order of a row's values.
STORED: Final = (
    *("card_number", "name", "mobile", "email", "preferred_channel", "language", "sex", "birth_date"),
    *("district", "union_name", "abo", "abo_source", "rhd", "rhd_source", "blood_subtype", "last_donation_on"),
    *("last_donation_component", "deferred_until", "deferral_code", "skills", "consents", "consent_record", "opt_outs"),
)

BY_NAME: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in FIELDS})


def _plain(header: str) -> str:
    folded = unicodedata.normalize("NFKC", header).strip().strip("\ufeff").lower()
    return re.sub(r"[\s_\-]+", "_", folded)


_BY_HEADER: Final[Mapping[str, Field]] = MappingProxyType(
    {_plain(header): field for field in FIELDS for header in (field.name, *field.headers)}
)


def field_of(header: str) -> Field | None:
    """The field that this header names, in Chinese or English; none if it names none of ours."""
    return _BY_HEADER.get(_plain(header))


def known(headers: Iterable[str]) -> int:
    """How many of these headers are ours."""
    return sum(field_of(header) is not None for header in headers)
