import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.consents import SUBJECTS, Statement, mask_of, merged, parse, render
from decisions.permissions import needed
from schemas.words import Channel, Purpose

TODAY = "2024-07-01"
DAYS = st.dates().map(lambda day: day.isoformat())
STATEMENTS = st.dictionaries(
    st.sampled_from(sorted(SUBJECTS)),
    st.builds(Statement, on=DAYS, source=st.sampled_from(["form", "hotline", "web"]), given=st.booleans()),
)


@given(STATEMENTS)
def test_what_is_written_is_read_again(statements):
    line = render(statements)
    assert parse(line) == statements
    assert render(parse(line)) == line


@given(STATEMENTS, STATEMENTS)
def test_saying_the_same_again_changes_nothing(known, said):
    once = merged(known, said, today=TODAY)
    assert merged(once, said, today="2031-01-01") == once


def test_statements_of_one_day_and_source_share_a_group():
    said = {subject: Statement("2024-05-01", "form", given=True) for subject in ("sms", "blood")}
    said["email"] = Statement("2024-06-02", "hotline", given=False)
    assert render(said) == "2024-05-01/form:sms,blood 2024-06-02/hotline:-email"
    assert mask_of(said) == needed(Purpose.BLOOD, Channel.SMS)


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        (Statement("2024-05-01", "form", given=True), Statement("2024-05-02", "web", given=False), "new"),
        (Statement("2024-05-02", "hotline", given=False), Statement("2024-05-01", "form", given=True), "old"),
        (Statement("2024-05-01", "hotline", given=False), Statement("2024-05-01", "form", given=True), "old"),
        (Statement("2024-05-01", "form", given=True), Statement("2024-05-01", "hotline", given=False), "new"),
        (Statement("2024-05-01", "form", given=True), Statement("", "import", given=True), "old"),
    ],
)
def test_the_later_statement_counts_and_on_one_day_the_no(old, new, holds):
    result = merged({"sms": old}, {"sms": new}, today=TODAY)
    assert result == {"sms": new if holds == "new" else old}


def test_a_change_without_a_day_counts_from_today():
    before = {"sms": Statement("2024-05-01", "form", given=True)}
    after = merged(before, {"sms": Statement("", "import", given=False)}, today=TODAY)
    assert after == {"sms": Statement(TODAY, "import", given=False)}
