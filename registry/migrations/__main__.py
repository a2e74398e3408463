"""Writes the next migration: `python -m registry.migrations 0003 "What it is for"`.

One that is on the main branch is never changed: somebody's database has been brought there.
"""

import re
import sys
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from registry.upgrading import configuration


def main(number: str, message: str) -> None:
    """Compare an empty database, brought to the newest version, with the tables in the code; write the difference."""
    with create_engine("sqlite://").connect() as connection:
        config = configuration(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=number)
    for path in (Path(__file__).parent / "versions").glob(f"{number}_*.py"):
        path.write_text(re.sub(r"\n +# ### .*", "", path.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:3])
