"""The day in Beijing, where ages and deferrals are counted, whatever zone a moment was written in."""

from datetime import date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "CST")  # one zone, no summer time


def day_in_beijing(moment: datetime) -> date:
    """The date that a calendar in Beijing shows at this moment."""
    return moment.astimezone(BEIJING).date()
