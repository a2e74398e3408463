"""`muster doctor`: what works, what does not, and what to do about it."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import text

from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, OUT, UNREACHABLE, fail, tell
from muster.settings import BadSettings, Settings, read_settings
from registry.database import Database
from registry.errors import RegistryError
from registry.migrate import create_or_check
from streams.errors import StreamsError
from streams.setup import check_topics
from streams.topics import topics
from streams.url import EmbeddedLog, parse

_PATIENCE = 3.0
_ENOUGH_FREE = 2 * 1024**3
_CLOCK_SLACK = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: fine or not, what was seen, and what to do."""

    check: str
    fine: bool
    seen: str
    remedy: str = ""


def doctor(as_json: AsJSON = False) -> None:
    """Check log, database, gateway, clock and disk, and say the remedy for what is wrong."""
    try:
        settings = read_settings()
    except BadSettings as exc:
        fail(BAD_INPUT, str(exc))
    findings = [check(settings) for check in CHECKS]
    if as_json:
        facts = [{"check": f.check, "fine": f.fine, "seen": f.seen, "remedy": f.remedy} for f in findings]
        tell({"findings": facts, "fine": all(f.fine for f in findings)}, "", as_json=True)
    else:
        table = Table("", "check", "seen", "remedy", box=None, padding=(0, 2))
        for finding in findings:
            mark = Text("ok", "green") if finding.fine else Text("!!", "bold red")
            table.add_row(mark, finding.check, finding.seen, finding.remedy)
        OUT.print(table)
    if not all(finding.fine for finding in findings):
        raise typer.Exit(UNREACHABLE)


def _database(settings: Settings) -> Finding:
    try:
        create_or_check(settings.database, migrate=False)
        with Database(settings.database) as database, database.snapshot() as connection:
            members = connection.execute(text("select count(*) from members")).scalar_one()
    except RegistryError as exc:
        return Finding("database", False, str(exc), "check MUSTER_DATABASE, and that the server runs")
    return Finding("database", True, f"{members:,} members")


def _log(settings: Settings) -> Finding:
    try:
        log = parse(settings.log)
        differences = check_topics(settings.log, topics(settings.shards))
    except StreamsError as exc:
        return Finding("log", False, str(exc), "check MUSTER_LOG, and that the broker runs")
    kind = "embedded" if isinstance(log, EmbeddedLog) else "Kafka"
    if differences:
        first = differences[0]
        return Finding(
            "log", False, f"{kind}; {len(differences)} topics are off, {first.topic} {first.what}", first.remedy
        )
    return Finding("log", True, f"{kind}, all topics are there")


def _gateway(settings: Settings) -> Finding:
    host, port = settings.sms.host, settings.sms.port

    async def connect() -> None:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()

    try:
        asyncio.run(connect())
    except (OSError, TimeoutError):
        remedy = "check MUSTER_SMS__HOST and MUSTER_SMS__PORT, or rehearse with `muster smsc-sim`"
        return Finding("gateway", False, f"nobody answers at {host}:{port}", remedy)
    kind = "simulator" if settings.sms.simulator else "real gateway"
    return Finding("gateway", True, f"{kind} answers at {host}:{port}")


def _clock(settings: Settings) -> Finding:
    """The database's clock and ours must agree: deadlines and receipts are compared across machines."""
    if settings.clock.speed != 1:
        return Finding("clock", True, f"a rehearsal's, {settings.clock.speed:g} times as fast")
    if settings.database.startswith("sqlite"):
        return Finding("clock", True, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, one machine")
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
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    seen = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < _ENOUGH_FREE:
        return Finding("disk", False, seen, "free some space: a full disk stops claims, and so messages")
    return Finding("disk", True, seen)


CHECKS: tuple[Callable[[Settings], Finding], ...] = (_database, _log, _gateway, _clock, _disk)
