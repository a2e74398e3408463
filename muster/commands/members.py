"""`muster members`: import, generate, show, opt out, erase."""

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection

from agents import doors
from agents.routes import post
from decisions.shards import shard_of
from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, ERR, OUT, Door, fail, open_door, tell
from muster.profile_view import known_table, scope_in_words
from muster.settings import Settings
from muster.who import Card, Mobile, ensure_one_way, member_of
from registry import outbox
from registry.erasure import erase as erase_member
from registry.importing.errors import UnusableFile
from registry.importing.run import ImportReport, Milestone, News, import_members
from registry.profile import profile
from rehearsal.generate import generate_members
from schemas.words import Channel, Purpose

app = typer.Typer(no_args_is_help=True, help="Import, generate, show, opt out and erase members.")
MemberID = Annotated[int | None, typer.Argument(metavar="MEMBER_ID", help="The member's id.")]
_WHO = "MEMBER_ID, --mobile or --card"


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with Chinese or English headers.")], as_json: AsJSON = False
) -> None:
    """Bring a file of members into the registry.  Twice the same file changes nothing; an opt-out always stays."""
    with open_door() as door:

        def announce(connection: Connection, news: News) -> None:
            messages = [
                post(message, event_id=f"import/{uuid.uuid4().hex}", source="/muster/import", time=door.now())
                for message in news
            ]
            outbox.put(connection, messages)

        try:
            report = _with_progress(door, file, announce)
        except UnusableFile as exc:
            fail(BAD_INPUT, str(exc))
        door.pass_on()
        facts: dict[str, object] = {
            "rows": report.rows,
            "added": report.added,
            "updated": report.updated,
            "unchanged": report.unchanged,
            "rejected": report.rejected,
            "rejects_file": str(report.rejects_file) if report.rejects_file else None,
            "rows_per_second": round(report.rows_per_second),
            "unknown_headers": list(report.unknown_headers),
            "repeated_cards": report.repeated_cards,
        }
        tell(facts, _in_words(report), as_json=as_json)


def _with_progress(door: Door, file: Path, announce: object) -> ImportReport:
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bar:
        task = bar.add_task("import", total=None, rows="")

        def milestone(reached: Milestone) -> None:
            rows = f"{reached.rows:,} rows, {reached.rows_per_second:,.0f} a second"
            bar.update(task, total=reached.bytes_total, completed=reached.bytes_done, rows=rows)

        return import_members(
            door.database,
            file,
            now=door.now(),
            shards=door.settings.shards,
            announce=announce,  # type: ignore[arg-type]
            milestone=milestone,
        )


def _in_words(report: ImportReport) -> str:
    lines = [
        (
            f"{report.rows:,} rows: {report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
            f"{report.rejected:,} rejected ({report.rows_per_second:,.0f} rows a second)"
        )
    ]
    if report.resumed_at_line:
        lines.append(f"Went on at line {report.resumed_at_line:,}, where the last import of this file had stopped.")
    if not report.rows:
        lines.append("[yellow]There is nothing below the column names.[/]")
    if report.rejected and report.rejected == report.rows:
        lines.append("[bold red]Not one row was taken.[/]")
    if report.rejects_file:
        lines.append(f"Rejected rows, with reason and remedy: {report.rejects_file}")
    if report.repeated_cards:
        lines.append(f"{report.repeated_cards:,} card numbers came twice: their last row counts.")
    if report.unknown_headers:
        lines.append(f"Columns that were not read: {', '.join(report.unknown_headers)}")
    return "\n".join(lines)


@app.command("generate")
def generate(
    count: Annotated[int, typer.Option(min=1, help="Members to make up.")],
    out: Annotated[Path, typer.Option(help="The table for the import; OUT.people.csv comes beside it.")],
    seed: Annotated[int, typer.Option(help="Same seed, same people.")] = 1,
    as_json: AsJSON = False,
) -> None:
    """Make up a population that is clearly nobody's."""
    try:
        people = generate_members(count, seed=seed, out=out)
    except OSError as exc:
        fail(BAD_INPUT, f"--out: {exc.strerror}: {out}; name a file in a folder that exists")
    tell({"count": count, "out": str(out), "people": str(people)}, f"{count:,} members in {out}.", as_json=as_json)


@app.command("show")
def show(member_id: MemberID = None, mobile: Mobile = None, card: Card = None, as_json: AsJSON = False) -> None:
    """What the registry knows about a member: for registry keepers, on request of the member."""
    ensure_one_way(_WHO, member_id, mobile, card)
    with open_door() as door, door.database.snapshot() as connection:
        known = profile(connection, member_of(connection, member=member_id, mobile=mobile, card=card))
        facts: dict[str, object] = {
            "member_id": known.member_id,
            **{name: value for name, value in known.attributes.items() if name != "id"},
            "consents": {name: asdict(said) for name, said in known.consents.items()},
            "opt_outs": [asdict(refusal) for refusal in known.opt_outs],
        }
        if as_json:
            tell(facts, "", as_json=True)
        else:
            OUT.print(known_table(known))


@app.command("opt-out")
def opt_out(
    member_id: MemberID = None,
    mobile: Mobile = None,
    card: Card = None,
    purpose: Annotated[Purpose | None, typer.Option(help="Only of this; otherwise of everything.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only by this; otherwise by any.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Write down that a member wants to hear no more.  Holds at once, and no import undoes it."""
    ensure_one_way(_WHO, member_id, mobile, card)
    with open_door() as door:
        with door.database.transaction() as connection:
            member = member_of(connection, member=member_id, mobile=mobile, card=card)
            event_id = door.new_id("opt-out")
            doors.opt_out(
                connection,
                member,
                purpose=purpose,
                channel=channel,
                source=f"staff:{door.staff}",
                event_id=event_id,
                now=door.now(),
            )
        door.pass_on()
        words = f"Member {member} hears no more {scope_in_words(purpose, channel)}."
        tell({"member_id": member, "opted_out": True}, words, as_json=as_json)


@app.command("erase")
def erase(
    member_id: MemberID = None,
    mobile: Mobile = None,
    card: Card = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Forget a member for good: name, numbers, blood group, and what the member wrote.

    It cannot be undone.  Somebody who only wants no more messages wants `muster members opt-out`.
    """
    ensure_one_way(_WHO, member_id, mobile, card)
    with open_door() as door:
        with door.database.snapshot() as connection:
            member = member_of(connection, member=member_id, mobile=mobile, card=card)
        if not yes and not as_json:
            typer.confirm(f"Forget member {member} for good?", abort=True)
        with door.database.transaction() as connection:
            news = erase_member(connection, member, at=door.now())
            messages = [
                post(message, event_id=door.new_id("erase"), source="/muster/doors", time=door.now())
                for message in news
            ]
            outbox.put(connection, messages)
        _forget_snapshot(door.settings, member)
        door.pass_on()
        tell({"member_id": member, "erased": True}, f"Member {member} is forgotten.", as_json=as_json)


def _forget_snapshot(settings: Settings, member: int) -> None:
    """What a worker kept on this machine goes at once; one that runs would see to it within half a minute."""
    from registry.audience.snapshots import Snapshots  # noqa: PLC0415 - brings NumPy, which the other commands can do without

    if settings.members_folder is None:
        return
    try:
        Snapshots(settings.members_folder, settings.shards).drop(shard_of(member, settings.shards))
    except OSError as exc:
        ERR.print(f"{exc.filename} still holds this member ({exc.strerror}): delete it")
