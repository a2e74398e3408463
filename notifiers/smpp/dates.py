"""Times as SMPP writes them."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

_QUARTER: Final = timedelta(minutes=15)
_MOST_QUARTERS: Final = 48
_DATE_FORMATS: Final = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def absolute_time(moment: datetime) -> bytes:
    """`YYMMDDhhmmsstnnp`: local time, tenths, quarters of an hour from UTC, direction."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("give an aware time")
    if offset % _QUARTER or abs(offset) > _MOST_QUARTERS * _QUARTER:
        moment, offset = moment.astimezone(UTC), timedelta()
    quarters = offset // _QUARTER
    tenths = moment.microsecond // 100_000
    return f"{moment:%y%m%d%H%M%S}{tenths}{abs(quarters):02}{'-' if quarters < 0 else '+'}".encode("ascii")


@lru_cache(maxsize=4096)  # thousands of receipts name the same second
def receipt_date(digits: str, zone: timezone) -> datetime | None:
    """The date of a receipt, with or without seconds or century; none if it is no date."""
    pattern = _DATE_FORMATS.get(len(digits))
    if pattern is None or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return datetime.strptime(digits, pattern).replace(tzinfo=zone)
    except ValueError:
        return None
