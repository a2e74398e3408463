"""`muster backup` and `muster restore`: the embedded state in one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from muster.clock import AppealClock
from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, fail, make_home, tell, translated
from muster.settings import read_settings


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, best on another disk.")],
    as_json: AsJSON = False,
) -> None:
    """Write log and database into one file, while the worker works on.

    It holds members' names and numbers: keep it as safe as the registry.  A backup says who had been asked when it was made; set
    MUSTER_LEDGER_COPY to a folder on another disk, and a restore also knows who was asked since.
    """
    from muster.backup import back_up  # noqa: PLC0415 - only this command needs it

    with translated():
        settings = read_settings()
        if not file.absolute().parent.is_dir():
            fail(BAD_INPUT, f"{file}: there is no folder {file.absolute().parent}: make it first")
        clock = AppealClock(settings.clock.start, settings.clock.speed)
        manifest = back_up(settings, file.absolute(), clock.now())
    size = file.stat().st_size
    facts: dict[str, object] = {"file": str(file), "bytes": size, **manifest.model_dump(mode="json")}
    tell(facts, f"{file}: {size / 1e6:,.1f} MB.  Bring it back with `muster restore {file}`.", as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `muster backup` wrote.")],
    without_copy: Annotated[
        bool,
        typer.Option(
            "--without-copy",
            help="Do not read MUSTER_LEDGER_COPY: name everybody uncertain who was invited and has no record.",
        ),
    ] = False,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Bring a backup of an older release up to date; the file stays as it is.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Bring a backup back, where no state is and no worker runs.

    Open appeals come back paused.  Who may have been asked since the backup is named uncertain and not asked again by
    itself: with the ledger copy that is who was claimed since, without it everybody who was invited and had no record.
    Read what is said, then `muster appeal resume ID` or `muster appeal stop ID`.
    """
    from muster.restore import BadBackup  # noqa: PLC0415 - only this command needs it
    from muster.restore import restore as bring_back  # noqa: PLC0415

    with translated():
        settings = read_settings()
        make_home(settings.home)
        clock = AppealClock(settings.clock.start, settings.clock.speed)
        try:
            outcome = bring_back(settings, file, clock.now(), with_copy=not without_copy, migrate=migrate)
        except BadBackup as exc:
            fail(BAD_INPUT, str(exc))
    tell(outcome.as_json(), outcome.as_words(), as_json=as_json)
