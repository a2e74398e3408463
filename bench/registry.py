"""Rows a second of an import of members, beside what a plain loader of each database does with the same values.

    python bench/registry.py [--rows 300000] [--database both] [--rounds 1] [--json FILE]

The peer reads a CSV file in which every value stands as the registry stores it, into a table with the same indexes, in
one transaction: on SQLite `csv.reader` and `executemany`, on PostgreSQL `psql \\copy`.  It understands no cell, rejects
no row, keeps no progress and looks for nobody known before.  `again` is the import of the same file a second time, which
changes nothing.  PostgreSQL is started for this run.  Everything is made in a temporary folder and removed at the end.
"""

import argparse
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import select
from sqlalchemy.engine import make_url

from registry.database import Database
from registry.importing.chunk import STORED
from registry.importing.run import import_members
from registry.members import MEMBERS
from registry.migrate import create_or_check
from rehearsal.generate import generate_members
from tests.servers.postgres import PostgresServer

COLUMNS = ("id", "bucket", "revision", *STORED)
BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Result:
    """The best of all rounds, in rows a second; `ratio` is our rate beside the peer's."""

    database: str
    rows: int
    rounds: int
    seconds: float
    rows_per_second: int
    again_rows_per_second: int
    peer: str
    peer_rows_per_second: int
    ratio: float


def imported(database: Database, file: Path, rows: int) -> float:
    """The seconds of one import, which must bring or find every row of the file."""
    began = time.perf_counter()
    report = import_members(database, file, now=datetime.now(UTC), shards=8, announce=lambda *_: None)
    seconds = time.perf_counter() - began
    assert report.added + report.unchanged == report.rows == rows, report
    return seconds


def write_values(database: Database, out: Path) -> None:
    """The members as the registry stores them, for the peer."""
    statement = select(*(MEMBERS.c[name] for name in COLUMNS)).order_by(MEMBERS.c.id)
    with database.snapshot() as connection, out.open("w", encoding="utf-8", newline="") as file:
        rows = connection.execution_options(yield_per=BATCH).execute(statement)
        csv.writer(file).writerows(tuple(row) for row in rows)


def csv_and_executemany(url: str, values: Path) -> None:
    marks = ", ".join("?" * len(COLUMNS))
    with closing(sqlite3.connect(make_url(url).database or "")) as connection, values.open(newline="") as file:
        rows = ([cell or None for cell in row] for row in csv.reader(file))
        connection.execute("PRAGMA journal_mode = WAL")
        while batch := list(islice(rows, BATCH)):
            connection.executemany(f"INSERT INTO members ({', '.join(COLUMNS)}) VALUES ({marks})", batch)
        connection.commit()


def psql_copy(url: str, values: Path) -> None:
    order = f"\\copy members ({', '.join(COLUMNS)}) from '{values}' csv"
    subprocess.run(["psql", "--no-psqlrc", "--quiet", url, "--command", order], check=True)


@contextmanager
def sqlite_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/muster.db"


@dataclass(frozen=True, slots=True)
class Contender:
    """A database, how a fresh one is come by, and the plain way to load it."""

    name: str
    fresh: Callable[[], AbstractContextManager[str]]
    peer: str
    load: Callable[[str, Path], None]


def measure(contender: Contender, file: Path, rows: int, rounds: int) -> Result:
    """Ours and the peer in turn, so that whatever else the machine does falls on both."""
    values = file.with_name(f"values-{contender.name}.csv")
    ours, again, peers = [], [], []
    for _ in range(rounds):
        with contender.fresh() as url:
            create_or_check(url, migrate=False)
            with Database(url) as database:
                ours.append(imported(database, file, rows))
                again.append(imported(database, file, rows))
                write_values(database, values)
        with contender.fresh() as url:
            create_or_check(url, migrate=False)
            began = time.perf_counter()
            contender.load(url, values)
            peers.append(time.perf_counter() - began)
    return Result(
        database=contender.name,
        rows=rows,
        rounds=rounds,
        seconds=round(min(ours), 1),
        rows_per_second=round(rows / min(ours)),
        again_rows_per_second=round(rows / min(again)),
        peer=contender.peer,
        peer_rows_per_second=round(rows / min(peers)),
        ratio=round(min(peers) / min(ours), 2),
    )


@contextmanager
def contenders(wanted: str) -> Iterator[list[Contender]]:
    sqlite = Contender("sqlite", sqlite_url, "csv.reader and executemany", csv_and_executemany)
    if wanted == "sqlite":
        yield [sqlite]
        return
    if shutil.which("psql") is None:
        sys.exit("there is no psql: run scripts/setup tests")
    with PostgresServer() as server:
        postgres = Contender("postgresql", server.database, "psql \\copy", psql_copy)
        yield [postgres] if wanted == "postgresql" else [sqlite, postgres]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=1, help="the best one counts")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contenders(options.database) as wanted:
        Path(folder).chmod(0o755)
        file = Path(folder) / "members.csv"
        generate_members(options.rows, seed=1, out=file)
        results = []
        for contender in wanted:
            result = measure(contender, file, options.rows, options.rounds)
            results.append(asdict(result))
            print(
                f"{result.database:10} {result.rows_per_second:>7,} rows/s ({result.seconds} s for {result.rows:,}), "
                f"again {result.again_rows_per_second:,}; {result.peer} {result.peer_rows_per_second:,}; "
                f"ratio {result.ratio}; load {os.getloadavg()[0]:.1f}"
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
