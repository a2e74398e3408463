"""Durations as people write them: `45m`, `4h`, `1d 12h`, `90s`, `0.5s`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_WHOLE = r"^(\s*[0-9]+(\.[0-9]+)?\s*[smhd])+\s*$"
_HOW = "write a duration as a number and a unit: 45m, 4h, 1d 12h"


def parse_duration(text: object) -> timedelta:
    """A timedelta, never negative, from `45m`, `4h`, `1d 12h`.  Raises `ValueError` that says how to write it."""
    if isinstance(text, timedelta) and text >= timedelta():
        return text
    if isinstance(text, int | float):
        raise ValueError(f"its unit is missing: {_HOW}")  # noqa: TRY004 - pydantic reports it
    if not isinstance(text, str) or not re.match(_WHOLE, text):
        raise ValueError(_HOW)
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        raise ValueError("that is longer than anybody can wait: " + _HOW) from None


def write_duration(duration: timedelta) -> str:
    """The shortest way to write it that `parse_duration` reads back, to the microsecond."""
    parts = []
    seconds = duration.days * 86400 + duration.seconds
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    if seconds or duration.microseconds:
        fraction = f".{duration.microseconds:06d}".rstrip("0") if duration.microseconds else ""
        parts.append(f"{seconds}{fraction}s")
    return " ".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _WHOLE, "examples": ["45m", "4h", "1d 12h"]}),
]
