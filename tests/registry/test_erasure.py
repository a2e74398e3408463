"""Forgetting: whoever looks through every table afterwards finds nothing of the person."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Connection, select

from registry import ledger, replies
from registry.audience.index import AudienceIndex
from registry.database import Database
from registry.erasure import erase
from registry.errors import NotFound
from registry.importing.run import import_members
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.opt_outs import opt_out, opt_out_number
from registry.profile import profile
from registry.replies import Received
from schemas.audience import MemberChanged
from schemas.dispatch import MemberErased
from schemas.words import Channel, Purpose

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HEADER = (
    "京卡号,姓名,手机,邮箱,出生日期,工会,血型,血型来源,末次献血日期,末次献血成分,暂缓至,暂缓代码,技能,短信同意,同意来源"
)
CANARY = (
    "CANARY01,卡娜丽,17955550001,canary@example.org,1987-06-05,卡娜丽工会,A2亚型,实验室,2023-03-03,血小板,2031-01-01,"
    "临时,canaryskill,2022-02-02,canarysource"
)
OTHER = "OTHER001,王芳,17955550002,other@example.org,1990-01-01,教育工会,AB,,,,,,,,"
TRACES = ("CANARY", "卡娜丽", "55550001", "canary", "date(1987, 6, 5)", "date(2023, 3, 3)", "2031, 1, 1", "2022-02-02")


@pytest.fixture
def filled(database: Database, tmp_path) -> Database:
    path = tmp_path / "members.csv"
    path.write_text("\n".join((HEADER, CANARY.replace("A2亚型", "A2"), OTHER)) + "\n", encoding="utf-8")
    report = import_members(database, path, now=NOW, shards=1, announce=lambda *_: None)
    assert report.added == 2
    with database.transaction() as connection:
        opt_out(connection, 1, purpose=Purpose.BENEFITS, at=NOW, source="canary-staff")
        _write(connection, "r1", Channel.SMS, "8617955550001", 1, "我是卡娜丽")
        _write(connection, "r2", Channel.EMAIL, "canary@example.org", 1, "canary words")
        _write(connection, "r3", Channel.SMS, "17955550001", None, "before the import knew me: canary")
        _write(connection, "r4", Channel.SMS, "8617955550002", 2, "不能")
        ledger.ask_shared(connection, "a-1", 1, {"+8617955550001": 1})
    return database


def _write(connection: Connection, reply_id: str, channel: Channel, address: str, member: int | None, words: str):
    replies.store(
        connection,
        [
            Received(
                reply_id=reply_id,
                received_at=NOW,
                channel=channel,
                address=address,
                sent_to="10690000",
                member_id=member,
                appeal_id=None,
                words=words,
            )
        ],
    )
    replies.understood(connection, [replies.Understood(reply_id, "unclear", None, "unclear")])


def everything(database: Database) -> str:
    """All rows of all tables."""
    with database.snapshot() as connection:
        return "\n".join(
            f"{table.name}: {tuple(row)!r}"
            for table in METADATA.sorted_tables
            for row in connection.execute(select(table))
        )


def test_nothing_of_a_forgotten_member_is_left_in_any_table(filled: Database):
    before = everything(filled)
    assert all(trace in before for trace in TRACES)
    with filled.transaction() as connection:
        news = erase(connection, 1, at=NOW)
    after = everything(filled)
    assert not [trace for trace in TRACES if trace in after]
    assert [type(told) for told in news] == [MemberErased, MemberChanged]
    assert {told.member_id for told in news} == {1}
    assert all(line in after for line in before.splitlines() if "王芳" in line or "不能" in line)


def test_a_second_time_changes_nothing_and_nobody_is_not_found(filled: Database):
    with filled.transaction() as connection:
        erase(connection, 1, at=NOW)
    before = everything(filled)
    with filled.transaction() as connection:
        assert erase(connection, 1, at=NOW) == []
        with pytest.raises(NotFound):
            erase(connection, 99, at=NOW)
    assert everything(filled) == before


def test_a_forgotten_member_is_in_no_audience_and_no_longer_a_desks_concern(filled: Database):
    with filled.snapshot() as connection:
        index = AudienceIndex.load(connection, 0, 1)
        assert len(index) == 2
        assert {row.reply_id for row in replies.waiting_for_a_person(connection)} == {"r1", "r2", "r3", "r4"}
    with filled.transaction() as connection:
        erase(connection, 1, at=NOW)
    with filled.snapshot() as connection:
        index.catch_up(connection)
        assert len(index) == len(AudienceIndex.load(connection, 0, 1)) == 1
        assert {row.reply_id for row in replies.waiting_for_a_person(connection)} == {"r4"}


def test_who_shares_a_number_keeps_it_and_is_still_asked_once(filled: Database):
    with filled.transaction() as connection:
        connection.execute(MEMBERS.update().where(MEMBERS.c.id == 2).values(mobile="+8617955550001"))
        erase(connection, 1, at=NOW)
        assert ledger.ask_shared(connection, "a-1", 1, {"+8617955550001": 2}) == set()
        left = {row.reply_id: row.words for row in replies.waiting_for_a_person(connection)}
        assert left == {"r3": "before the import knew me: canary", "r4": "不能"}, "r3 may be of the other"


def test_what_was_refused_for_the_number_outlives_the_member(filled: Database):
    with filled.transaction() as connection:
        opt_out_number(connection, "17955550001", at=NOW, source="sms")
        erase(connection, 1, at=NOW)
        assert opt_out_number(connection, "17955550001", at=NOW, source="sms") == []


def test_members_may_see_what_is_known_of_them(filled: Database):
    with filled.snapshot() as connection:
        known = profile(connection, 1)
    attributes = known.attributes
    assert (attributes["name"], attributes["mobile"]) == ("卡娜丽", "+8617955550001")
    assert attributes["last_donation_on"] == date(2023, 3, 3)
    assert known.consents["sms"].on == "2022-02-02"
    assert [(said.purpose, said.channel, said.source) for said in known.opt_outs] == [
        (Purpose.BENEFITS, None, "canary-staff")
    ]
    assert not {"bucket", "consents", "opt_outs"} & set(attributes)
