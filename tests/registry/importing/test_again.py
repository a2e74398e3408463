"""Importing again: what changes, what stays, and what no import undoes."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from decisions.permissions import EVERYTHING, Scope, bit
from registry.consent import record_consent
from registry.erasure import erase, readmit
from registry.members import MEMBERS
from registry.opt_outs import OPT_OUTS, opt_out, opt_out_number
from schemas.audience import MembersImported
from schemas.dispatch import OptedOut
from schemas.words import Channel, Purpose
from tests.registry.importing.conftest import NOW, SHARDS, Registry, counts, mobile, places, rejects

HEADER = "京卡号,姓名,手机,血型"
TWO = (HEADER, f"BJ0001,王芳,{mobile(1)},A型", f"BJ0002,李娜,{mobile(2)},")


def test_the_same_file_twice_changes_nothing(registry: Registry):
    path = registry.file(*TWO)
    assert counts(registry.load(path)) == {"rows": 2, "added": 2}
    before, told = registry.everything(), len(registry.news)
    assert counts(registry.load(path)) == {"rows": 2, "unchanged": 2}
    assert registry.everything() == before
    assert len(registry.news) == told


def test_a_changed_row_updates_its_member_and_no_other(registry: Registry):
    registry.bring(*TWO)
    first, second = registry.everything()
    report = registry.bring(HEADER, f"bj-0001,王芳芳,{mobile(9)},", f"BJ0003,张伟,{mobile(3)},B", TWO[2])
    assert counts(report) == {"rows": 3, "added": 1, "updated": 1, "unchanged": 1}
    assert registry.members("id", "card_number", "name", "mobile", "abo") == [
        (1, "BJ0001", "王芳芳", f"+86{mobile(9)}", "A"),
        (2, "BJ0002", "李娜", f"+86{mobile(2)}", None),
        (3, "BJ0003", "张伟", f"+86{mobile(3)}", "B"),
    ]
    assert registry.everything()[1] == second
    assert registry.members("revision")[0][0] > dict(zip(MEMBERS.columns.keys(), first, strict=True))["revision"]


def test_every_shard_is_told_once_when_something_changed(registry: Registry):
    registry.bring(*TWO)
    assert registry.news == [MembersImported(shard=shard, revision=1) for shard in range(SHARDS)]


def test_of_a_card_number_twice_in_a_file_the_last_row_wins_and_the_others_are_reported(registry: Registry):
    report = registry.bring(HEADER, "BJ0001,王芳,,", "BJ0002,李娜,,", "bj 0001,王芳芳,,", "ＢＪ０００１,王小芳,,")
    assert counts(report) == {"rows": 4, "added": 2, "rejected": 2}
    assert report.repeated_cards == 1
    assert registry.members("card_number", "name") == [("BJ0002", "李娜"), ("BJ0001", "王小芳")]
    assert places(report) == [(2, "京卡号"), (4, "京卡号")]
    assert all("again in line 5" in reject["reason"] for reject in rejects(report))


def test_a_column_that_is_missing_leaves_everything_and_an_empty_cell_clears_what_may_be_cleared(registry: Registry):
    registry.bring(
        "京卡号,姓名,手机,血型,技能", f"BJ0001,王芳,{mobile(1)},A型,手语", f"BJ0002,李娜,{mobile(2)},B型,驾驶"
    )
    registry.bring("京卡号", "BJ0001")
    registry.bring("京卡号,姓名,手机,血型,技能", "BJ0002,,,,")
    assert registry.members("name", "mobile", "abo", "skills") == [
        ("王芳", f"+86{mobile(1)}", "A", "手语"),
        (None, None, "B", None),
    ]


def test_a_laboratory_result_yields_only_to_a_laboratory(registry: Registry):
    header = "京卡号,血型,血型来源"
    registry.bring(header, "BJ0001,A+,实验室")
    assert counts(registry.bring(header, "BJ0001,B-,自报")) == {"rows": 1, "unchanged": 1}
    assert counts(registry.bring(header, "BJ0001,AB+,lab")) == {"rows": 1, "updated": 1}
    assert registry.members("abo", "abo_source", "rhd", "rhd_source") == [("AB", "laboratory", "pos", "laboratory")]


def test_the_last_donation_does_not_become_earlier(registry: Registry):
    header = "京卡号,末次献血日期,末次献血成分"
    registry.bring(header, "BJ0001,2024-03-01,血小板")
    assert counts(registry.bring(header, "BJ0001,2024-02-01,全血")) == {"rows": 1, "unchanged": 1}
    assert registry.members("last_donation_on", "last_donation_component") == [(date(2024, 3, 1), "platelets")]


# --- opt-outs, consents, erasure ----------------------------------------------------------------------------------


def test_no_import_undoes_an_opt_out(registry: Registry):
    registry.bring(*TWO)
    with registry.database.transaction() as connection:
        opt_out(connection, 1, at=NOW, source="reply")
        opt_out(connection, 2, purpose=Purpose.BLOOD, at=NOW, source="reply")
    before = registry.members("opt_outs")
    registry.bring("京卡号,姓名,短信同意,献血同意,退订", "BJ0001,王芳芳,yes,yes,no", "BJ0002,李娜娜,yes,yes,")
    assert registry.members("opt_outs") == before == [(bit(EVERYTHING),), (bit(Scope(Purpose.BLOOD)),)]


def test_an_opt_out_in_a_file_is_news_only_for_members_known_before(registry: Registry):
    registry.bring(*TWO)
    registry.news.clear()
    registry.bring("京卡号,退订", "BJ0002,是", "BJ0003,是")
    assert [news for news in registry.news if isinstance(news, OptedOut)] == [OptedOut(member_id=2)]
    assert registry.members("opt_outs") == [(0,), (bit(EVERYTHING),), (bit(EVERYTHING),)]
    with registry.database.snapshot() as connection:
        assert connection.execute(select(OPT_OUTS.c.member_id).order_by(OPT_OUTS.c.member_id)).scalars().all() == [2, 3]


def test_a_number_that_opted_out_stays_so_whoever_an_import_gives_it_to(registry: Registry):
    registry.bring(*TWO)
    with registry.database.transaction() as connection:
        opt_out_number(connection, mobile(7), at=NOW, source="reply")
    registry.bring(HEADER, f"BJ0001,王芳,{mobile(7)},", f"BJ0003,张伟,{mobile(7)},")
    refused = registry.members("number_opt_outs")
    assert refused == [(bit(EVERYTHING),), (0,), (bit(EVERYTHING),)]
    registry.bring(HEADER, f"BJ0001,王芳,{mobile(1)},")
    assert registry.members("number_opt_outs")[0] == (0,)


def test_an_older_consent_does_not_undo_a_newer_refusal(registry: Registry):
    registry.bring("京卡号,短信同意", "BJ0001,2024-01-01")
    with registry.database.transaction() as connection:
        record_consent(connection, 1, Channel.SMS, given=False, on=date(2024, 3, 1), source="hotline")
    assert counts(registry.bring("京卡号,短信同意", "BJ0001,2024-02-01")) == {"rows": 1, "unchanged": 1}
    assert registry.members("consents") == [(0,)]
    registry.bring("京卡号,短信同意", "BJ0001,2024-04-01")
    assert registry.members("consents") == [(bit(Scope(channel=Channel.SMS)),)]


def test_an_erased_member_comes_back_only_when_readmitted(registry: Registry):
    registry.bring(*TWO)
    with registry.database.transaction() as connection:
        erase(connection, 1, at=NOW)
    path = registry.file(*TWO)
    report = registry.load(path)
    assert counts(report) == {"rows": 2, "unchanged": 1, "rejected": 1}
    assert [(reject["line"], reject["reason"]) for reject in rejects(report)] == [
        ("2", "this member asked to be forgotten")
    ]
    with registry.database.transaction() as connection:
        assert readmit(connection, "bj0001")
    assert counts(registry.load(path)) == {"rows": 2, "added": 1, "unchanged": 1}
    assert registry.members("card_number") == [(None,), ("BJ0002",), ("BJ0001",)]


# --- one mobile, several members ----------------------------------------------------------------------------------


def test_members_with_one_mobile_are_marked_and_unmarked_as_it_comes_and_goes(registry: Registry):
    registry.bring(HEADER, f"BJ0001,王芳,{mobile(1)},", f"BJ0002,李娜,{mobile(2)},")
    assert registry.members("mobile_shared") == [(False,), (False,)]
    registry.bring(HEADER, f"BJ0003,张伟,{mobile(1)},")
    assert registry.members("mobile_shared") == [(True,), (False,), (True,)]
    registry.bring(HEADER, f"BJ0003,张伟,{mobile(2)},")
    assert registry.members("mobile_shared") == [(False,), (True,), (True,)]
    registry.bring(HEADER, "BJ0002,李娜,,")
    assert registry.members("mobile_shared") == [(False,), (False,), (False,)]


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.dictionaries(st.integers(0, 5), st.none() | st.integers(0, 2), min_size=1), min_size=1))
def test_whoever_has_what_is_what_the_last_files_said_and_shared_numbers_are_marked(registry: Registry, files):
    with registry.database.transaction() as connection:
        connection.execute(delete(MEMBERS))
    expected: dict[str, str | None] = {}
    for file in files:
        rows = {f"BJ000{card}": None if number is None else mobile(number) for card, number in file.items()}
        report = registry.bring("京卡号,手机", *(f"{card},{number or ''}" for card, number in rows.items()))
        new = len(rows.keys() - expected.keys())
        changed = sum(card in expected and expected[card] != number for card, number in rows.items())
        assert (report.added, report.updated) == (new, changed)
        expected |= rows
    stored = registry.members("card_number", "mobile", "mobile_shared")
    assert {card: number for card, number, _ in stored} == {
        card: number and f"+86{number}" for card, number in expected.items()
    }
    owners = list(expected.values())
    assert all(shared == (number is not None and owners.count(number[3:]) > 1) for _, number, shared in stored)


def test_a_new_mobile_is_reachable_again_after_the_old_one_failed(registry: Registry):
    registry.bring(*TWO)
    with registry.database.transaction() as connection:
        connection.execute(MEMBERS.update().values(sms_failed_status=11, sms_failed_at=NOW))
    registry.bring(HEADER, f"BJ0001,王芳,{mobile(8)},", TWO[2])
    assert registry.members("sms_failed_status", "sms_failed_at") == [(None, None), (11, NOW)]


@pytest.mark.parametrize("columns", ["京卡号", "京卡号,姓名,手机"])
def test_a_file_without_rows_is_no_error(registry: Registry, columns: str):
    report = registry.bring(columns)
    assert counts(report) == {}
    assert registry.news == []
    with registry.database.snapshot() as connection:
        assert connection.execute(select(func.count()).select_from(MEMBERS)).scalar_one() == 0
