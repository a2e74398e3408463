"""`muster doctor`: what works, what does not, and what to do about it."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url, text

from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, OUT, UNREACHABLE, fail, tell, worker_runs
from muster.settings import BadSettings, Settings, read_settings
from registry.database import Database
from registry.errors import DatabaseUnreachable, RegistryError, WrongVersion
from registry.migrate import is_made
from streams.errors import LogUnreachable, StreamsError
from streams.setup import check_topics
from streams.topics import topics
from streams.url import EmbeddedLog, parse

_PATIENCE = 3.0
_ENOUGH_FREE = 2 * 1024**3
_CLOCK_SLACK = 5.0
_NOT_MADE = "not made yet"
_MAKE_IT = "start Muster, which makes it: muster up"
_NONE_RUNS = "none runs: nothing is sent or read"
_START_ONE = "start one: muster up, or muster worker"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: fine or not, what was seen, and what to do."""

    check: str
    fine: bool
    seen: str
    remedy: str = ""


def doctor(as_json: AsJSON = False) -> None:
    """Check database, log, worker, gateway, clock and disk, and say the remedy for what is wrong.

    It changes nothing.  Exit code 0 when all is well, 4 when something is not.
    """
    try:
        settings = read_settings()
    except BadSettings as exc:
        fail(BAD_INPUT, str(exc))
    findings = [finding for check in CHECKS if (finding := check(settings)) is not None]
    well = all(finding.fine for finding in findings)
    if as_json:
        facts = [{"check": f.check, "fine": f.fine, "seen": f.seen, "remedy": f.remedy} for f in findings]
        tell({"findings": facts, "fine": well}, "", as_json=True)
    else:
        OUT.print(_draw(findings))
        ill = sum(not finding.fine for finding in findings)
        OUT.print("All is well." if well else f"{ill} of {len(findings)} need care.", highlight=False)
    if not well:
        raise typer.Exit(UNREACHABLE)


def _draw(findings: list[Finding]) -> Table:
    """A line for each check, its remedy below it: nothing to search for in columns at three in the morning."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        mark = Text("ok", "green") if finding.fine else Text("!!", "bold red")
        seen = Text(finding.seen)
        if finding.remedy:
            seen.append(f"\n→ {finding.remedy}", "bold")
        table.add_row(mark, finding.check, seen)
    return table


def _file_of(database_url: str) -> Path | None:
    """The file of an embedded database; none for a server's."""
    url = make_url(database_url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _database(settings: Settings) -> Finding:
    try:
        if not is_made(settings.database):
            return Finding("database", False, _NOT_MADE, _MAKE_IT)
        with Database(settings.database) as database, database.snapshot() as connection:
            members = connection.execute(text("select count(*) from members where erased_at is null")).scalar_one()
    except WrongVersion as exc:
        return Finding("database", False, *_told_apart(str(exc)))
    except RegistryError as exc:
        seen = str(exc).removeprefix("connection failed: ")
        return Finding("database", False, seen, "check MUSTER_DATABASE, and that the server runs")
    return Finding(
        "database", True, f"{members:,} members" if members else "no members yet: muster members import FILE"
    )


def _told_apart(reason: str) -> tuple[str, str]:
    """What is wrong, and what to do about it, of a sentence that says both."""
    seen, _, remedy = reason.partition(": ")
    return seen, remedy


def _log(settings: Settings) -> Finding:
    try:
        log = parse(settings.log)
        if isinstance(log, EmbeddedLog) and not log.path.exists():
            return Finding("log", False, _NOT_MADE, _MAKE_IT)
        differences = check_topics(settings.log, topics(settings.shards))
    except LogUnreachable as exc:
        return Finding("log", False, str(exc), "check MUSTER_LOG, and that the broker runs")
    except StreamsError as exc:
        return Finding("log", False, *_told_apart(str(exc)))
    kind = "embedded" if isinstance(log, EmbeddedLog) else "Kafka"
    if differences:
        first = differences[0]
        others = f" (and {len(differences) - 1} more)" if differences[1:] else ""
        return Finding("log", False, f"{kind}; topic {first.topic} {first.what}{others}", first.remedy)
    return Finding("log", True, f"{kind}, all topics are there")


def _worker(settings: Settings) -> Finding:
    file = _file_of(settings.database)
    if file is not None and not file.exists():
        return Finding("worker", False, _NONE_RUNS, _START_ONE)
    try:
        with Database(settings.database) as database:
            runs = worker_runs(database)
    except DatabaseUnreachable:
        return Finding("worker", False, "cannot be known", "see the line about the database")
    if not runs:
        return Finding("worker", False, _NONE_RUNS, _START_ONE)
    return Finding("worker", True, "at least one runs")


def _gateway(settings: Settings) -> Finding:
    host, port = settings.sms.host, settings.sms.port
    if not _answers(host, port):
        remedy = "check MUSTER_SMS__HOST and MUSTER_SMS__PORT, or rehearse with: muster smsc-sim"
        return Finding("gateway", False, f"nobody answers at {host}:{port}", remedy)
    kind = "simulator" if settings.sms.simulator else "real gateway"
    return Finding("gateway", True, f"{kind} answers at {host}:{port}")


def _email(settings: Settings) -> Finding | None:
    if settings.email is None:
        return None
    host, port = settings.email.host, settings.email.port
    if not _answers(host, port):
        remedy = "check MUSTER_EMAIL__HOST and MUSTER_EMAIL__PORT"
        return Finding("e-mail", False, f"no mail server answers at {host}:{port}", remedy)
    return Finding("e-mail", True, f"mail server answers at {host}:{port}")


def _answers(host: str, port: int) -> bool:
    async def connect() -> None:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()

    try:
        asyncio.run(connect())
    except (OSError, TimeoutError):
        return False
    return True


def _clock(settings: Settings) -> Finding:
    """The database's clock and ours must agree: deadlines and receipts are compared across machines."""
    if settings.clock.speed != 1:
        return Finding("clock", True, f"a rehearsal's, {settings.clock.speed:g} times as fast")
    if _file_of(settings.database) is not None:
        return Finding("clock", True, f"{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}, one machine")
    try:
        with Database(settings.database) as database, database.snapshot() as connection:
            theirs = float(connection.execute(text("select extract(epoch from clock_timestamp())")).scalar_one())
    except RegistryError:
        return Finding("clock", False, "the database's clock cannot be read", "see the line about the database")
    apart = abs(theirs - datetime.now(UTC).timestamp())
    if apart > _CLOCK_SLACK:
        return Finding("clock", False, f"{apart:.0f} s apart from the database's", "run NTP on both machines")
    return Finding("clock", True, f"{apart:.1f} s apart from the database's")


def _disk(settings: Settings) -> Finding:
    file = _file_of(settings.database)
    folder = settings.home if file is None else file.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    seen = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < _ENOUGH_FREE:
        return Finding("disk", False, seen, "free some space: a full disk stops claims, and so messages")
    return Finding("disk", True, seen)


CHECKS: tuple[Callable[[Settings], Finding | None], ...] = (
    _database,
    _log,
    _worker,
    _gateway,
    _email,
    _clock,
    _disk,
)
