"""Insert, or replace what is there: the same statement on both databases, put together once."""

from functools import cache

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


@cache
def replacing(table: Table, dialect_name: str, *names: str) -> Insert:
    """Add a row, or give these columns of the one with the same primary key its values."""
    insertion = (sqlite if dialect_name == "sqlite" else postgresql).insert(table)
    replacement: Insert = insertion.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: insertion.excluded[name] for name in names}
    )
    return replacement
