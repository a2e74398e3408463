"""Structured logs, ids and numbers only: one JSON object a line, or plain words where a person sits before a terminal."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor

_QUOTES = ("DETAIL:", "CONTEXT:")


def set_up_logs(level: str = "info") -> None:
    """Send our logs and the libraries' warnings to standard error."""
    person = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            without_values,
            *(_for_a_person() if person else _for_programs()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s"
        if person
        else '{"level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}',
    )


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
