"""Ages and deferrals are counted by the calendar of Beijing."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from decisions.calendar import day_in_beijing


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2011, 11, 24, 15, 59, 59, tzinfo=UTC), date(2011, 11, 24)),
        (datetime(2011, 11, 24, 16, 0, tzinfo=UTC), date(2011, 11, 25)),
        (datetime(2011, 11, 25, 0, 0, tzinfo=timezone(timedelta(hours=8))), date(2011, 11, 25)),
        (datetime(2011, 11, 24, 20, 0, tzinfo=timezone(timedelta(hours=-5))), date(2011, 11, 25)),
    ],
)
def test_the_day_begins_at_midnight_in_beijing(moment: datetime, day: date):
    assert day_in_beijing(moment) == day
