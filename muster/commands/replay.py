"""`muster replay`: decide an appeal again from the log."""

from typing import Annotated

import typer

from muster.commands.requests import AsJSON
from muster.doorstep import DIFFERENT, OUT, REFUSED, fail, open_door, tell


def replay(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL_ID")],
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the facts that were published; exit 1 if one differs.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Decide an appeal again from the log, and with --check compare.

    Reads the topic `appeals` from its beginning and changes nothing.  The reading of members' texts is not replayed.
    """
    from decisions.appeals.replay import UnknownDecider  # noqa: PLC0415 - the other commands can do without
    from muster.replay import decide_again  # noqa: PLC0415

    with open_door() as door:
        try:
            outcome = decide_again(door.database, door.settings.log, appeal_id)
        except UnknownDecider as exc:
            fail(REFUSED, str(exc))
        if as_json:
            tell(outcome.as_json(checked=check), "", as_json=True)
        else:
            OUT.print(outcome.as_words(checked=check), highlight=False)
        if check and not outcome.equal:
            raise typer.Exit(DIFFERENT)
