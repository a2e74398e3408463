"""Structured logs, ids and numbers only: one JSON object a line, or plain words where a person sits before a terminal."""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

_QUOTES = ("DETAIL:", "CONTEXT:")
_QUIET_SECONDS = 5.0
_REMEMBERED = 1000


def set_up_logs(level: str = "info") -> None:
    """Send our logs and the libraries' warnings to standard error, in one form."""
    shown: tuple[Processor, ...] = (
        structlog.processors.format_exc_info,
        without_values,
        *(_for_a_person() if sys.stderr.isatty() else _for_programs()),
    )
    seldom = Seldom()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, seldom.ours, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.addFilter(seldom.theirs)
    libraries.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(["repeated"]),
            ],
            processors=[ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])


@dataclass(slots=True)
class _Told:
    at: float
    left_out: int = 0


class Seldom:
    """Lets the same warning through once in five seconds, and has it say how many were left out before it (`repeated`).

    While a server is away, everybody who needs it says so again and again.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: dict[object, _Told] = {}

    def ours(self, _logger: object, method: str, event: EventDict) -> EventDict:
        """A processor.  Raises `DropEvent`."""
        if method != "warning":
            return event
        left_out = self._ask(tuple((key, str(value)) for key, value in sorted(event.items())))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["repeated"] = left_out
        return event

    def theirs(self, record: logging.LogRecord) -> bool:
        """A filter of `logging`; of errors, too: libraries are quick to call so what passes."""
        left_out = self._ask((record.name, record.getMessage()))
        if left_out:
            record.repeated = left_out
        return left_out is not None

    def _ask(self, key: object) -> int | None:
        """How many like this one were left out since the last that was told; none when this one is left out, too."""
        now = self._now()
        told = self._told.get(key)
        if told is not None and now < told.at + _QUIET_SECONDS:
            told.left_out += 1
            return None
        if len(self._told) >= _REMEMBERED:
            self._told.clear()  # some are told once too often then
        self._told[key] = _Told(now)
        return told.left_out if told is not None else 0


def without_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    """PostgreSQL quotes in a line of its own the values that broke a rule: a number or a card, for all we know."""
    if exception := event.get("exception"):
        lines = str(exception).splitlines()
        event["exception"] = "\n".join(line for line in lines if not line.lstrip().startswith(_QUOTES))
    return event


def _for_programs() -> tuple[Processor, ...]:
    return (
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    )


def _for_a_person() -> tuple[Processor, ...]:
    return (
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(pad_event_to=0, pad_level=False),
    )
