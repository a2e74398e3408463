"""A registry that files are imported into, on both databases."""

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry.database import Database
from registry.importing.run import ImportReport, News, import_members
from registry.members import MEMBERS

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
SHARDS = 4


def mobile(number: int) -> str:
    """A number that belongs to nobody."""
    return f"179{number:08d}"


@dataclass
class Registry:
    """Imports files, and says what they did."""

    database: Database
    folder: Path
    news: list[Any] = field(default_factory=list)

    def file(self, *lines: str, name: str = "members.csv", encoding: str = "utf-8", end: str = "\n") -> Path:
        path = self.folder / name
        path.write_bytes("".join(line + end for line in lines).encode(encoding))
        return path

    def load(self, path: Path, now: datetime = NOW) -> ImportReport:
        def announce(_: object, news: News) -> None:
            self.news.extend(news)

        return import_members(self.database, path, now=now, shards=SHARDS, announce=announce)

    def bring(self, *lines: str, now: datetime = NOW) -> ImportReport:
        return self.load(self.file(*lines), now)

    def members(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all members, in the order of their ids."""
        wanted = select(*(MEMBERS.c[column] for column in columns)).order_by(MEMBERS.c.id)
        with self.database.snapshot() as connection:
            return [tuple(row) for row in connection.execute(wanted)]

    def everything(self) -> list[tuple[Any, ...]]:
        return self.members(*MEMBERS.columns.keys())


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    return Registry(database, tmp_path)


def counts(report: ImportReport) -> dict[str, int]:
    """What became of the rows; what did not happen is left out."""
    found = {name: getattr(report, name) for name in ("rows", "added", "updated", "unchanged", "rejected")}
    return {name: count for name, count in found.items() if count}


def rejects(report: ImportReport) -> list[dict[str, str]]:
    assert report.rejects_file is not None
    with report.rejects_file.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def places(report: ImportReport) -> list[tuple[int, str]]:
    """Line and column of each reject."""
    return [(int(reject["line"]), reject["column"]) for reject in rejects(report)]
