"""Durations as people write them: `45m`, `4h`, `1d 12h`, `90s`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = re.compile(r"(\d+)\s*([smhd])")


def parse_duration(text: object) -> timedelta:
    """A timedelta from `45m`, `4h`, `1d 12h`.  Raises `ValueError` that says how to write it."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str):
        rest = _PART.sub("", text).strip()
        parts = _PART.findall(text)
        if parts and not rest:
            return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    raise ValueError("write a duration as a number and a unit: 45m, 4h, 1d 12h")


def write_duration(duration: timedelta) -> str:
    """The shortest way to write whole seconds that `parse_duration` reads back."""
    seconds = int(duration.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts) or "0s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(write_duration, return_type=str)]
