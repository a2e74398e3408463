"""Alembic, set up for our tables.  It takes a tenth of a second to import, so only what changes tables does that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from sqlalchemy import Connection

from registry.columns import Moment
from registry.migrate import VERSION_TABLE


def _render(kind: str, item: object, context: AutogenContext) -> str | bool:
    if kind == "type" and isinstance(item, Moment):
        context.imports.add("from registry.columns import Moment")
        return "Moment()"
    return False


COMPARING: Final[Mapping[str, Any]] = {
    "version_table": VERSION_TABLE,
    "compare_type": True,
    "compare_server_default": True,
    "render_item": _render,
    "render_as_batch": False,
}


def configuration(connection: Connection) -> Config:
    """Alembic's settings for our migrations on this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the database on this connection to the newest version, in its transaction."""
    command.upgrade(configuration(connection), "head")
