"""What every command does at the door: settings, the database, ids and times, exit codes, JSON or words."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

from agents.doors import BadSpec
from muster.clock import AppealClock
from muster.listening import PortTaken
from muster.settings import BadSettings, Settings, read_settings
from registry.database import Database
from registry.errors import DatabaseUnreachable, NotFound, Refused, WrongVersion
from registry.indexes import mend
from registry.locks import one_at_a_time
from registry.migrate import create_or_check
from streams.errors import LogUnreachable, NoTopics, ShortSession, StreamsError, WorkerRunning
from streams.errors import WrongVersion as OtherLog

DONE, DIFFERENT, BAD_INPUT, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4
OUT = Console()
ERR = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Door:
    """An open door: everything a command needs."""

    settings: Settings
    database: Database
    now: Callable[[], datetime]

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{uuid.uuid4().hex[:12]}"

    @property
    def staff(self) -> str:
        return self.settings.staff

    def worker_runs(self) -> bool:
        return worker_runs(self.database)

    def pass_on(self) -> bool:
        """Hand the outbox to the log now if no worker does; what cannot be handed over yet stays safe in it.

        True when a worker runs, which takes care of it.
        """
        nobody_does = False
        from agents.relay import relay_once  # noqa: PLC0415 - slow to import, and only orders need it
        from streams.publisher import open_publisher  # noqa: PLC0415

        try:
            with one_at_a_time(self.database, "relay") as lock:
                nobody_does = lock is not None
                if nobody_does:
                    publisher = open_publisher(self.settings.log)
                    try:
                        while relay_once(self.database, publisher):
                            pass
                    finally:
                        publisher.close()
        except NoTopics:
            pass  # the first worker makes the log and passes it on
        except StreamsError as exc:
            hint(f"Saved, but the log cannot be reached yet ({exc}); the worker will pass it on.")
        return not nobody_does


def worker_runs(database: Database) -> bool:
    """Whether anybody sends and reads: whoever publishes the outbox holds a lock, and a worker does so all its life.

    Raises `DatabaseUnreachable`.
    """
    with one_at_a_time(database, "relay") as lock:
        return lock is None


@contextmanager
def open_door() -> Iterator[Door]:
    """The door of this process; what can go wrong is `translated`."""
    with translated():
        settings = read_settings()
        clock = AppealClock(settings.clock.start, settings.clock.speed)
        make_home(settings.home)
        create_or_check(settings.database, migrate=False)
        with Database(settings.database) as database:
            mend(database)
            yield Door(settings, database, clock.now)


def make_home(home: Path) -> None:
    """The folder of log and database.  Raises `BadSettings`."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadSettings(f"MUSTER_HOME: {home} cannot be made ({exc.strerror}): name another folder") from exc


@contextmanager
def translated() -> Iterator[None]:
    """Turns what can go wrong into one clear line and the exit code that says which kind."""
    try:
        yield
    except (BadSettings, BadSpec, ShortSession) as exc:
        fail(BAD_INPUT, str(exc))
    except (Refused, NotFound, WrongVersion, OtherLog, WorkerRunning) as exc:
        fail(REFUSED, str(exc))
    except PortTaken as exc:
        fail(UNREACHABLE, str(exc))
    except DatabaseUnreachable as exc:
        fail(UNREACHABLE, f"the database cannot be reached ({exc}): check MUSTER_DATABASE, or `muster doctor`")
    except LogUnreachable as exc:
        fail(UNREACHABLE, f"the log cannot be reached ({exc}): check MUSTER_LOG, or `muster doctor`")


def fail(code: int, reason: str) -> NoReturn:
    """Say why, and leave with this code."""
    for line in reason.splitlines():
        ERR.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def hint(text: str) -> None:
    """Something that needs care, beside what was asked for."""
    ERR.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def tell(facts: dict[str, object], words: str, *, as_json: bool) -> None:
    """Facts as JSON for programs, or as words for people."""
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, default=str) + "\n")
    else:
        # Lines stay whole: ids and commands in them are copied.
        OUT.print(words, highlight=False, soft_wrap=True)


def table_of(*headers: str) -> Table:
    """An empty table in the one style that fits 80 columns; what its lines are called by is never cut short."""
    table = Table(*headers, box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.columns[0].no_wrap = True
    return table


def local(moment: datetime) -> str:
    """A moment as the clock on the wall shows it."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
