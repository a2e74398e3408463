"""A database for each test, on both kinds of server: what is promised of one is promised of the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.database import Database
from registry.migrate import create_or_check

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/muster.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Instead of `empty_url`, for tests to which the database makes no difference."""
    return f"sqlite:///{tmp_path}/muster.db"


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    create_or_check(empty_url, migrate=False)
    with Database(empty_url) as opened:
        yield opened
