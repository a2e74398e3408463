"""Insert, or keep or replace what is there: the same statement on both databases."""

from functools import cache
from typing import cast

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def inserting(table: Table, dialect_name: str) -> sqlite.Insert:
    """An insert that can say what is to happen `on_conflict`.  Both databases say it in the same words."""
    return sqlite.insert(table) if dialect_name == "sqlite" else cast("sqlite.Insert", postgresql.insert(table))


def keeping(table: Table, dialect_name: str) -> sqlite.Insert:
    """Add a row, or leave the one that is there."""
    return inserting(table, dialect_name).on_conflict_do_nothing()


@cache
def replacing(table: Table, dialect_name: str, *names: str) -> Insert:
    """Add a row, or give these columns of the one with the same primary key its values.  Put together once."""
    insertion = inserting(table, dialect_name)
    return insertion.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: insertion.excluded[name] for name in names}
    )
