"""`muster database`: the tables, made and brought up to date."""

import typer

from muster.commands.requests import AsJSON
from muster.doorstep import make_home, tell, translated
from muster.settings import read_settings
from registry.migrate import create_or_check, versions

app = typer.Typer(no_args_is_help=True, help="Make the database, or bring it up to date.")


@app.command("migrate")
def migrate(as_json: AsJSON = False) -> None:
    """Make the tables, or bring an older release's up to date.

    Make a backup first (`muster backup FILE`).  Workers make a new database by themselves, but never change an older one.
    """
    with translated():
        settings = read_settings()
        make_home(settings.home)
        found, newest = create_or_check(settings.database, migrate=True), max(versions())
        if found is None:
            words = f"The database is made, in version {newest}."
        elif found == newest:
            words = f"The database has version {newest} already: nothing was to be done."
        else:
            words = f"The database went from version {found} to {newest}."
        tell({"migrated": True, "from": found, "to": newest}, words, as_json=as_json)
