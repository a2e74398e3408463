"""Files as people save them: headers in two languages and any order, encodings, quotes, and what is no table at all."""

import codecs
from pathlib import Path

import pytest

from registry.importing.errors import UnusableFile
from registry.importing.survey import survey
from tests.registry.conftest import sqlite_url
from tests.registry.importing.conftest import Registry, counts, mobile, places, rejects

empty_url = sqlite_url  # what is read does not depend on where it is stored
NAMED = ("card_number", "name", "mobile", "sex", "birth_date", "district", "union_name", "abo", "rhd")
KNOWN = ("BJ0001", "王芳", f"+86{mobile(1)}", "female", "1990-05-01", "110105", "教育工会", "AB", "neg")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "京卡号,姓名,手机,性别,出生日期,区,工会,血型",
            f"BJ0001,王芳,{mobile(1)},女,1990年5月1日,朝阳区,教育工会,AB−",
        ),
        (
            "card_number,name,mobile,sex,birth_date,district,union,blood_type,rhd",
            f"bj0001,王芳,+86 {mobile(1)},F,1990/5/1,110105,教育工会,AB,neg",
        ),
        (
            "血型,RhD,工会,区县,生日,性别,手机号,会员姓名,会员卡号",
            f"AB型,阴性,教育工会,朝阳,19900501,女性,0086-{mobile(1)},王芳,ＢＪ０００１",
        ),
        (
            "  Blood Type ;UNION; Birth-Date ;Card Number;Name;Mobile;Sex;District",
            f"AB型Rh阴性;教育工会;1990-05-01;BJ0001;王芳;{mobile(1)};m;朝阳区".replace(";m;", ";female;"),
        ),
    ],
    ids=["chinese", "english", "another order", "semicolons"],
)
def test_headers_may_be_chinese_or_english_in_any_order(registry: Registry, header: str, row: str):
    assert counts(registry.bring(header, row)) == {"rows": 1, "added": 1}
    (found,) = registry.members(*NAMED)
    assert tuple(map(str, found)) == KNOWN


def test_unknown_headers_are_reported_and_not_read(registry: Registry):
    report = registry.bring("备注,京卡号,shoe size", "x,BJ0001,42")
    assert report.unknown_headers == ("备注", "shoe size")
    assert counts(report) == {"rows": 1, "added": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_do_not_matter(registry: Registry, encoding: str, end: str):
    path = registry.file("京卡号,姓名,工会", "BJ0001,李娜,纺织工会", "BJ0002,𠮷田,", encoding=encoding, end=end)
    assert counts(registry.load(path)) == {"rows": 2, "added": 2}
    assert registry.members("card_number", "name") == [("BJ0001", "李娜"), ("BJ0002", "𠮷田")]


def test_one_bad_character_does_not_turn_a_utf_8_file_into_gb18030(registry: Registry):
    path = registry.file("京卡号,姓名", "BJ0001,李娜", "BJ0002,?", "BJ0003,张伟")
    path.write_bytes(path.read_bytes().replace(b"?", b"\xff"))
    report = registry.load(path)
    assert counts(report) == {"rows": 3, "added": 2, "rejected": 1}
    assert places(report) == [(3, "")]
    assert registry.members("name") == [("李娜",), ("张伟",)]


def test_a_quoted_cell_may_hold_the_separator_quotes_and_line_ends(registry: Registry):
    report = registry.bring("姓名,京卡号,工会", '"王,芳",BJ0001,"A ""B"""', '"李', '娜",BJ0002,', "张,伟,BJ0003,x")
    assert counts(report) == {"rows": 3, "added": 2, "rejected": 1}
    assert places(report) == [(5, "")]  # the physical line, though it is the fourth row
    assert registry.members("name", "union_name") == [("王,芳", 'A "B"'), ("李 娜", None)]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(registry: Registry):
    report = registry.bring("京卡号,姓名", '"BJ0001,王芳', "BJ0002,李娜", "BJ0003,张伟")
    assert counts(report) == {"rows": 3, "added": 2, "rejected": 1}
    assert places(report) == [(2, "")]


def test_blank_lines_and_padding_cells_are_passed_over(registry: Registry):
    report = registry.bring("京卡号,姓名", "", " , ", "BJ0001,王芳,,", ",,,,")
    assert counts(report) == {"rows": 1, "added": 1}


def test_a_row_with_a_name_but_no_card_number_is_rejected(registry: Registry):
    report = registry.bring("京卡号,姓名", ",王芳", "BJ0001,李娜")
    assert counts(report) == {"rows": 2, "added": 1, "rejected": 1}
    assert [(reject["value"], reject["reason"]) for reject in rejects(report)] == [
        ("empty", "the card number is missing")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        ("姓名,手机\n".encode(), "no column is called 京卡号 or card_number"),
        ("京卡号,会员卡号\n".encode(), "the columns 京卡号 and 会员卡号 mean the same"),
        (b"PK\x03\x04rest", "a workbook"),
        ("京卡号\n".encode("utf-16"), "UTF-16"),
        ("\n京卡号\n".encode(), "the first line is empty"),
        ("京卡号\rBJ0001\r".encode(), "CR only"),
        (codecs.BOM_UTF8, "the first line is empty"),
        (b"\x7fELF\x02\x01\x01\xff\xfe\n", "no text file"),
    ],
    ids=["empty", "no card", "two cards", "workbook", "utf-16", "no header", "old mac", "only a bom", "a program"],
)
def test_what_is_no_table_of_members_is_refused_with_a_remedy(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "members.csv"
    path.write_bytes(content)
    with pytest.raises(UnusableFile, match=said):
        survey(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path):
    with pytest.raises(UnusableFile, match="does not exist"):
        survey(tmp_path / "nothing.csv")
    with pytest.raises(UnusableFile, match="is a folder"):
        survey(tmp_path)
