"""`muster appeal`: preview, launch, watch, pause, stop."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agents import doors
from muster.commands.requests import AsJSON, read_spec
from muster.doorstep import BAD_INPUT, OUT, Door, fail, hint, local, open_door, table_of, tell
from muster.pace import pace
from registry import appeals

app = typer.Typer(no_args_is_help=True, help="Preview, launch, watch, pause and stop appeals.")
AppealID = Annotated[str, typer.Argument(metavar="APPEAL_ID")]


@app.command("preview")
def show_preview(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The appeal spec, a YAML file.")], as_json: AsJSON = False
) -> None:
    """Who would be asked and who not, before anybody is."""
    from muster.preview_ask import ask_worker  # noqa: PLC0415 - slow to import, and the other commands can do without

    content = read_spec(spec)
    with open_door() as door:
        doors.ensure_launchable(content, door.now())
        facts = ask_worker(content, door.settings)
        if facts is None:
            from muster.preview import preview  # noqa: PLC0415 - numpy, too

            facts = preview(door.database, content, door.settings, door.now())
        if as_json:
            tell(facts.as_json(), "", as_json=True)
        else:
            OUT.print(facts.as_table())


@app.command("launch")
def launch(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID")],
    drill: Annotated[bool, typer.Option("--drill", help="A rehearsal: only made-up numbers are texted.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Start asking for a verified request; says the appeal id, with --json to programs."""
    with open_door() as door:
        appeal_id = door.new_id("a")
        with door.database.transaction() as connection:
            doors.launch_appeal(
                connection,
                request_id,
                appeal_id=appeal_id,
                pace=pace(door.settings),
                by=door.staff,
                drill=drill,
                now=door.now(),
            )
        _pass_on(door)
        words = f"Launched as [bold]{appeal_id}[/].  Watch it: muster appeal status {appeal_id} --watch"
        tell({"appeal_id": appeal_id}, words, as_json=as_json)


@app.command("pause")
def pause(appeal_id: AppealID, as_json: AsJSON = False) -> None:
    """Hold back what is not sent yet; `resume` goes on."""
    _order(appeal_id, "pausing", doors.pause_appeal, as_json=as_json)


@app.command("resume")
def resume(appeal_id: AppealID, as_json: AsJSON = False) -> None:
    """Go on with a paused appeal."""
    _order(appeal_id, "resuming", doors.resume_appeal, as_json=as_json)


@app.command("stop")
def stop(
    appeal_id: AppealID,
    reason: Annotated[str, typer.Option(help="Why; kept with the appeal.")] = "",
    as_json: AsJSON = False,
) -> None:
    """End an appeal, withdrawing at once what is unsent.

    Everybody who said yes is thanked and stood down.
    """
    _order(appeal_id, "stopping", partial(doors.stop_appeal, reason=reason), as_json=as_json)


def _order(appeal_id: str, what: str, give: Callable[..., None], *, as_json: bool) -> None:
    """Give an order about an appeal at its door, and say that it was given."""
    with open_door() as door:
        with door.database.transaction() as connection:
            give(connection, appeal_id, by=door.staff, event_id=door.new_id("order"), now=door.now())
        _pass_on(door)
        tell({"appeal_id": appeal_id, "ordered": what}, f"Appeal {appeal_id}: {what}.", as_json=as_json)


def _pass_on(door: Door) -> None:
    """What was ordered; whoever ordered it hears when nobody is there to carry it out."""
    if not door.pass_on():
        hint("No worker runs, so nothing happens yet; it takes effect as soon as one does: muster worker")


@app.command("status")
def status(
    appeal_id: AppealID,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and show every step live; Ctrl-C leaves.")] = False,
    uncertain: Annotated[
        bool,
        typer.Option("--uncertain", help="List the ids of members of whom nobody knows whether they were reached."),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Where an appeal stands, from matched members to confirmed donors."""
    if watch and uncertain:
        fail(BAD_INPUT, "--watch: shows numbers and cannot be combined with --uncertain; leave one of them out")
    if watch and as_json:
        fail(BAD_INPUT, "--watch: shows a live board and cannot be combined with --json; leave one of them out")
    from muster import board, board_view, doubts  # noqa: PLC0415 - slow to import, and the other commands can do without

    with open_door() as door:
        if uncertain:
            with door.database.snapshot() as connection:
                listed = doubts.read(connection, appeal_id)
            tell(listed.as_json(), listed.as_words(), as_json=as_json)
            return
        if watch:
            board_view.watch(door.database, appeal_id, door.now, OUT, worker_runs=door.worker_runs)
            return
        with door.database.snapshot() as connection:
            view = board.read(connection, appeal_id, door.now())
        if as_json:
            tell(view.as_json(), "", as_json=True)
        else:
            OUT.print(board_view.draw(view, works=view.over or door.worker_runs()))


@app.command("list")
def list_appeals(as_json: AsJSON = False) -> None:
    """All appeals, the newest first."""
    with open_door() as door:
        with door.database.snapshot() as connection:
            rows = appeals.appeals(connection)
        if as_json:
            facts = [
                {
                    "appeal_id": row.appeal_id,
                    "request_id": row.request_id,
                    "status": row.status,
                    "launched_at": row.launched_at,
                    "deadline": row.deadline,
                    "drill": row.drill,
                }
                for row in rows
            ]
            tell({"appeals": facts}, "", as_json=True)
            return
        table = table_of("appeal", "status", "launched", "deadline", "by")
        for row in rows:
            table.add_row(
                row.appeal_id,
                row.status + (" (drill)" if row.drill else ""),
                local(row.launched_at),
                local(row.deadline),
                row.launched_by,
            )
        OUT.print(table if rows else "No appeal has been launched yet: muster appeal launch REQUEST_ID")
