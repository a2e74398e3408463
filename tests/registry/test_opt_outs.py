"""Whoever says no is left out at once: of selections, and of what was selected but has not left yet."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from sqlalchemy import Connection, func, select

from registry.addresses import LANGUAGES, OPTED_OUT, addresses, owners
from registry.audience.index import AudienceIndex
from registry.audience.reasons import Exclusion
from registry.database import Database
from registry.errors import NotFound
from registry.metadata import METADATA
from registry.opt_outs import OPT_OUTS, opt_out, opt_out_address, opt_out_number
from registry.profile import profile
from schemas.audience import MemberChanged
from schemas.criteria import Criteria
from schemas.dispatch import OptedOut
from schemas.words import Channel, Purpose
from tests.registry.audience.people import Person, store

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOBODY = np.empty(0, np.int64)
AGREED = Person(email=True, consents=frozenset((*Channel, *Purpose)))
ASKED = [(purpose, channel) for purpose in Purpose for channel in (Channel.SMS, Channel.EMAIL)]


@pytest.fixture
def connection(empty_url: str):
    with Database(empty_url) as database, database.transaction() as opened:
        METADATA.create_all(opened)
        assert store(opened, [AGREED, AGREED]) == [1, 2]
        yield opened


def reached(connection: Connection, index: AudienceIndex, member: int) -> set[tuple[Purpose, Channel]]:
    """For what this member is asked by which channel; selection and sending must agree."""
    index.catch_up(connection)
    found = set()
    for purpose, channel in ASKED:
        criteria = Criteria(programme="x", purpose=purpose, channel=channel, on=date(2024, 5, 1))
        selected = member in index.select(criteria, NOBODY, limit=9, salt="")
        refused = index.scan(criteria, NOBODY).excluded[Exclusion.OPTED_OUT]
        verdicts = addresses(connection, [1, 2], channel=channel, purpose=purpose).verdicts
        assert selected == (verdicts[member - 1] in LANGUAGES) != (verdicts[member - 1] == OPTED_OUT)
        assert refused == verdicts.count(OPTED_OUT)
        found |= {(purpose, channel)} if selected else set()
    return found


@pytest.mark.parametrize("purpose", [None, Purpose.BLOOD])
@pytest.mark.parametrize("channel", [None, Channel.SMS, Channel.EMAIL])
def test_an_opt_out_holds_for_its_scope_at_once_and_for_nobody_else(
    connection: Connection, purpose: Purpose | None, channel: Channel | None
):
    index = AudienceIndex.load(connection, 0, 1)
    assert reached(connection, index, 1) == set(ASKED)
    news = opt_out(connection, 1, purpose=purpose, channel=channel, at=NOW, source="reply")
    assert news[0] == OptedOut(member_id=1, purpose=purpose, channel=channel)
    assert isinstance(news[1], MemberChanged)
    left = {(p, c) for p, c in ASKED if (purpose and p is not purpose) or (channel and c is not channel)}
    assert reached(connection, index, 1) == left
    assert reached(connection, index, 2) == set(ASKED)


def test_a_second_time_changes_nothing(connection: Connection):
    opt_out(connection, 1, at=NOW, source="reply")
    assert opt_out(connection, 1, at=NOW, source="hotline") == []
    assert connection.execute(select(func.count()).select_from(OPT_OUTS)).scalar_one() == 1
    with pytest.raises(NotFound):
        opt_out(connection, 99, at=NOW, source="reply")


@pytest.mark.parametrize("written", ["17900000001", "+86 179-0000-0001", "008617900000001"])
def test_a_number_that_wants_no_more_gets_nothing_but_its_mailbox_may(connection: Connection, written: str):
    index = AudienceIndex.load(connection, 0, 1)
    news = opt_out_number(connection, written, at=NOW, source="sms")
    assert [told.member_id for told in news] == [1, 1]
    assert reached(connection, index, 1) == {(purpose, Channel.EMAIL) for purpose in Purpose}
    assert reached(connection, index, 2) == set(ASKED)
    assert [(said.source, said.at) for said in profile(connection, 1).opt_outs] == [("number", None)]
    assert opt_out_number(connection, written, at=NOW, source="sms") == []


@pytest.mark.parametrize("written", ["10086", "010-6666 6666", "R", ""])
def test_what_is_no_mobile_speaks_for_nobody(connection: Connection, written: str):
    store(connection, [Person(mobile=False, email=True), Person(mobile=False)])
    assert owners(connection, Channel.SMS, written) == []
    assert opt_out_number(connection, written, at=NOW, source="sms") == []
    assert profile(connection, 3).opt_outs == profile(connection, 4).opt_outs == ()


def test_a_mailbox_that_wants_no_more_may_still_get_a_text(connection: Connection):
    index = AudienceIndex.load(connection, 0, 1)
    opt_out_address(connection, Channel.EMAIL, " M1@Example.org", purpose=Purpose.BLOOD, at=NOW, source="email")
    assert reached(connection, index, 1) == set(ASKED) - {(Purpose.BLOOD, Channel.EMAIL)}
