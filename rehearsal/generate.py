"""Made-up members: plausible as a whole, clearly nobody in particular, the same for the same seed.

Frequencies of blood groups are those of Hebei donors, the best proxy for Beijing (domain facts, 1.7), districts have the shares
of the census of 2020.  Mobiles are `179` and 8 digits, which belong to nobody.  Beside the table for the import there is
`OUT.people.csv` with each person's true group, which only simulated handsets ever read.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DISTRICTS = {
    "东城区": 709,
    "西城区": 1106,
    "朝阳区": 3452,
    "丰台区": 2020,
    "石景山区": 568,
    "海淀区": 3133,
    "门头沟区": 393,
    "房山区": 1313,
    "通州区": 1840,
    "顺义区": 1324,
    "昌平区": 2269,
    "大兴区": 1994,
    "怀柔区": 441,
    "平谷区": 457,
    "密云区": 528,
    "延庆区": 346,
}
GROUPS = {"A": 27.74, "B": 31.68, "O": 29.65, "AB": 10.93}
RHD_NEGATIVE = 0.00449
KNOWN = 1 / 3
WRONG_SELF_REPORT = 0.005
LABORATORY = 0.3
ENGLISH = 0.01
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚玉桂文华建国志红梅兰春雪松林"
_UNIONS = ("电子信息工会", "纺织工会", "建筑工会", "交通工会", "教育工会", "医药卫生工会", "商业工会", "机械工会")
_HEADER = "京卡号,姓名,手机号,邮箱,语言,性别,出生日期,区,工会,血型,血型来源,RhD,技能,短信同意,邮件同意,献血同意,志愿同意,同意日期,同意来源,退订,暂缓至"  # noqa: E501
_BLOCK = 100_000
_NUMBERS = 100_000_000  # 8 digits after 179
_STRIDE = 61_803_399  # shares no factor with the above: steps through all numbers before any comes twice
Strings = NDArray[Any]


def generate_members(count: int, *, seed: int, out: Path) -> Path:
    """Write `out` and its people; the path of the latter.  Raises `OSError`."""
    people = out.with_name(out.name + ".people.csv")
    random = np.random.default_rng(seed)
    first = int(random.integers(_NUMBERS))
    with out.open("w", encoding="utf-8") as table, people.open("w", encoding="utf-8") as truth:
        table.write(_HEADER + "\n")
        truth.write("mobile,abo,rhd,language\n")
        for start in range(0, count, _BLOCK):
            size = min(_BLOCK, count - start)
            rows, truths = _block(random, first, start, size)
            table.write("\n".join(rows) + "\n")
            truth.write("\n".join(truths) + "\n")
    return people


def _block(random: np.random.Generator, first: int, start: int, size: int) -> tuple[list[str], list[str]]:
    numbers = (first + (start + np.arange(size, dtype=np.int64)) * _STRIDE) % _NUMBERS
    mobiles = [f"179{number:08d}" for number in numbers.tolist()]
    abo = random.choice(list(GROUPS), size, p=np.array(list(GROUPS.values())) / sum(GROUPS.values()))
    rhd = np.where(random.random(size) < RHD_NEGATIVE, "neg", "pos")
    language = np.where(random.random(size) < ENGLISH, "en", "zh")
    written, source, written_rhd = _registered(random, abo, rhd)
    sms, agreed, opted_out, shown = _reachability(random, size)
    columns = (
        [f"BJ{start + n + 1:010d}" for n in range(size)],
        _names(random, size),
        np.where(shown, np.array(mobiles), ""),
        _emails(random, start, size),
        language,
        random.choice(["男", "女"], size),
        _birthdays(random, size),
        random.choice(list(DISTRICTS), size, p=np.array(list(DISTRICTS.values())) / sum(DISTRICTS.values())),
        random.choice(_UNIONS, size),
        written,
        source,
        written_rhd,
        np.where(random.random(size) < 0.02, "翻译", ""),
        np.where(sms, "yes", ""),
        np.where(random.random(size) < 0.3, "yes", ""),
        np.where(agreed, "yes", ""),
        np.where(agreed, "yes", ""),
        np.full(size, "2010-05-01"),
        np.full(size, "form"),
        np.where(opted_out, "yes", ""),
        np.where(random.random(size) < 0.004, "2030-01-01", ""),
    )
    rows = [",".join(row) for row in zip(*(_plain(column) for column in columns), strict=True)]
    truths = [",".join(row) for row in zip(mobiles, _plain(abo), _plain(rhd), _plain(language), strict=True)]
    return rows, truths


def _registered(random: np.random.Generator, abo: Strings, rhd: Strings) -> tuple[Strings, Strings, Strings]:
    """What the registry knows: a third of the groups, a few of them wrong as people remember them."""
    size = len(abo)
    known = random.random(size) < KNOWN
    laboratory = random.random(size) < LABORATORY
    wrong = (random.random(size) < WRONG_SELF_REPORT) & ~laboratory
    told = np.where(wrong, random.choice(list(GROUPS), size), abo)
    written = np.where(known, np.char.add(told, "型"), "")
    source = np.where(known, np.where(laboratory, "laboratory", "self-reported"), "")
    return written, source, np.where(known, rhd, "")


def _reachability(random: np.random.Generator, size: int) -> tuple[Strings, Strings, Strings, Strings]:
    """SMS consent, consent to be asked for help, opt-outs and a mobile: 95 of 100 have all that a message needs."""
    draw = random.random(size)
    return (
        draw >= 0.015,
        (draw < 0.015) | (draw >= 0.03),
        (draw >= 0.03) & (draw < 0.04),
        (draw < 0.04) | (draw >= 0.05),
    )


def _names(random: np.random.Generator, size: int) -> Strings:
    surname = random.choice(list(_SURNAMES), size)
    given = np.char.add(random.choice(list(_GIVEN), size), random.choice(list(_GIVEN), size))
    return np.char.add(surname, given)


def _emails(random: np.random.Generator, start: int, size: int) -> Strings:
    has = random.random(size) < 0.4
    return np.array([f"m{start + n + 1}@example.org" if one else "" for n, one in enumerate(has.tolist())])


def _birthdays(random: np.random.Generator, size: int) -> Strings:
    first, last = date(1968, 1, 1).toordinal(), date(2006, 12, 31).toordinal()
    born = random.integers(first, last, size) - date(1970, 1, 1).toordinal()
    return born.astype("datetime64[D]").astype(str)


def _plain(column: Any) -> list[str]:  # noqa: ANN401 - a list or an array
    return column if isinstance(column, list) else column.tolist()
