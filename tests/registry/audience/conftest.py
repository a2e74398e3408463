"""A database with the tables, in whose transactions nothing stays behind."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from registry.database import Database
from registry.tables import METADATA


@pytest.fixture
def connection(empty_url: str) -> Iterator[Connection]:
    """One transaction in which a whole test happens: on SQLite, and again on PostgreSQL."""
    with Database(empty_url) as database, database.transaction() as opened:
        METADATA.create_all(opened)
        yield opened
