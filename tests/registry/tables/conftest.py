"""A database with the tables of this code, whatever the migrations say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from registry.database import Database
from registry.tables import METADATA


@contextmanager
def _with_tables(url: str) -> Iterator[Database]:
    with Database(url) as opened:
        with opened.transaction() as connection:
            METADATA.create_all(connection)
        yield opened


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """On SQLite and again on PostgreSQL."""
    with _with_tables(empty_url) as opened:
        yield opened


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """One transaction in which a whole test happens."""
    with database.transaction() as opened:
        yield opened


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    with _with_tables(f"sqlite:///{tmp_path}/muster.db") as opened:
        yield opened


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    with _with_tables(postgres_url) as opened:
        yield opened
