"""`muster request`: a call for help comes in and is checked by a person."""

from pathlib import Path
from typing import Annotated

import typer

from agents import doors
from muster.doorstep import BAD_INPUT, OUT, fail, local, open_door, table_of, tell
from registry import appeals
from schemas.spec import AppealSpec

app = typer.Typer(no_args_is_help=True, help="File a help request, verify it, list what came in.")
AsJSON = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def read_spec(path: Path) -> AppealSpec:
    """The spec in this YAML file; leaves with exit code 2 and names field and remedy when it cannot be used."""
    from muster.spec_file import UnusableSpec, read_spec_file  # noqa: PLC0415 - YAML: most commands read no file

    try:
        return read_spec_file(path)
    except UnusableSpec as exc:
        fail(BAD_INPUT, str(exc))


@app.command("file")
def file(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The appeal spec, a YAML file.")], as_json: AsJSON = False
) -> None:
    """File a help request from a spec; says its request id, with --json to programs.

    A spec is a YAML file.  For example:

    \b
      programme: platelets                   # or whole-blood
      blood: {abo: AB}
      need: 15                               # confirmed donors
      deadline: 4h                           # after the launch, or 2030-05-01T18:00:00+08:00
      districts: [朝阳区, 110108]             # without it everywhere
      waves:
        - {blood: known}                     # at once, those known to match
        - {blood: unknown, after: 45m}       # then, if need be, those whose group nobody knows

    docs/cli.md has all fields.  See whom it would ask with `muster appeal preview SPEC`.
    """  # noqa: D301 - \b keeps the lines as they are
    content = read_spec(spec)
    with open_door() as door:
        request_id = door.new_id("r")
        with door.database.transaction() as connection:
            doors.file_request(connection, content, request_id=request_id, by=door.staff, now=door.now())
        door.pass_on()
        tell(
            {"request_id": request_id},
            f"Filed as [bold]{request_id}[/].  A person verifies it next: muster request verify {request_id}",
            as_json=as_json,
        )


@app.command("verify")
def verify(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID")],
    reject: Annotated[str, typer.Option(metavar="REASON", help="Reject it instead, for this reason.")] = "",
    as_json: AsJSON = False,
) -> None:
    """Say that a call for help is real (or --reject it)."""
    with open_door() as door:
        with door.database.transaction() as connection:
            if reject:
                doors.reject_request(connection, request_id, by=door.staff, reason=reject, now=door.now())
            else:
                doors.verify_request(connection, request_id, by=door.staff, now=door.now())
        door.pass_on()
        status = "rejected" if reject else "verified"
        words = f"Request {request_id} is {status}." + (
            "" if reject else f"  Launch it with: muster appeal launch {request_id}"
        )
        tell({"request_id": request_id, "status": status}, words, as_json=as_json)


@app.command("list")
def list_requests(as_json: AsJSON = False) -> None:
    """All help requests, the newest first."""
    with open_door() as door:
        with door.database.snapshot() as connection:
            rows = appeals.requests(connection)
        if as_json:
            facts = [
                {"request_id": row.request_id, "kind": row.kind, "status": row.status, "filed_at": row.filed_at}
                for row in rows
            ]
            tell({"requests": facts}, "", as_json=True)
            return
        table = table_of("request", "kind", "status", "filed", "by")
        for row in rows:
            table.add_row(row.request_id, row.kind, row.status, local(row.filed_at), row.filed_by)
        OUT.print(table if rows else "No help request has been filed yet: muster request file SPEC")
