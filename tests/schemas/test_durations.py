"""Durations are read as people write them and written so that they are read back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45m", 2700),
        ("4h", 14_400),
        ("1d 12h", 129_600),
        ("1d12h", 129_600),
        ("90s", 90),
        (" 5 m ", 300),
        ("1.5h", 5400),
        ("0.25s", 0.25),
        ("0s", 0),
    ],
)
def test_what_people_write(text: str, seconds: float):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "45", "m", "45 minutes", "-5m", "5m later", "4h, 5m", "PT4H", "1e3s", ".5h", "４h", "99999999999d"),
        *(45, None, timedelta(seconds=-1)),
    ],
)
def test_anything_else_says_how_to_write_it(text: object):
    with pytest.raises(ValueError, match="write a duration as a number and a unit: 45m, 4h, 1d 12h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(minutes=45), "45m"),
        (timedelta(hours=36), "1d 12h"),
        (timedelta(seconds=3661.5), "1h 1m 1.5s"),
        (timedelta(milliseconds=300), "0.3s"),
        (timedelta(), "0s"),
    ],
)
def test_the_shortest_way_to_write_it(duration: timedelta, text: str):
    assert write_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=100_000)))
def test_every_duration_is_read_back(duration: timedelta):
    assert parse_duration(write_duration(duration)) == duration
