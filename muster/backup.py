"""The embedded state in one file: log and database as they were at one moment, and a manifest of versions.

A log and a database that do not fit together would lose what is on its way from the one to the other.  So publishing is held
up for as long as it takes to open a view of the log and then one of the database, which is milliseconds; the copies are
made from these views, while the worker works on.
"""

import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy.engine import make_url

from muster.settings import Settings
from registry.errors import DatabaseUnreachable, Refused
from registry.migrate import VERSION_TABLE
from streams.url import EmbeddedLog, parse

FORMAT: Final = 1
MANIFEST, LOG, DATABASE = "manifest.json", "log.db", "muster.db"
_PATIENCE = 30.0  # seconds that a writer may hold the log
_BITE = 1 << 20


class Manifest(BaseModel):
    """What is in a backup, for whoever restores it."""

    model_config = ConfigDict(frozen=True)

    format: int
    muster: str
    made_at: AwareDatetime
    log_version: int
    database_version: str
    shards: int
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where log and database lie."""

    log: Path
    database: Path


def places(settings: Settings) -> Places:
    """The two files of the embedded state.  Raises `Refused` when one of them is on a server."""
    log, database = parse(settings.log), make_url(settings.database)
    if not isinstance(log, EmbeddedLog) or database.get_backend_name() != "sqlite":
        raise Refused(
            "only the embedded state is one file: back up PostgreSQL with pg_dump, and let Kafka keep several replicas"
        )
    return Places(log.path, Path(database.database or "").absolute())


def back_up(settings: Settings, file: Path, now: datetime) -> Manifest:
    """Write a backup to this file.  Raises `Refused` where one must not be, or `DatabaseUnreachable`."""
    where = places(settings)
    for path in (where.log, where.database):
        if not path.exists():
            raise Refused(f"{path} is not there: nothing has been started yet that a backup could keep")
    if file.exists():
        raise Refused(f"{file} is there already: name a new file, a backup is never written over")
    try:
        with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
            return _pack(settings, where, Path(folder), file, now)
    except sqlite3.Error as exc:
        raise DatabaseUnreachable(f"{where.database.parent}: {exc}") from exc


def _pack(settings: Settings, where: Places, folder: Path, file: Path, now: datetime) -> Manifest:
    with _one_moment(where) as (log, database):
        log_version = int(log.execute("pragma user_version").fetchone()[0])
        database_version = str(database.execute(f"select version_num from {VERSION_TABLE}").fetchone()[0])  # noqa: S608
        _copy(log, folder / LOG)
        _copy(database, folder / DATABASE)
    manifest = Manifest(
        format=FORMAT,
        muster=version("muster"),
        made_at=now,
        log_version=log_version,
        database_version=database_version,
        shards=settings.shards,
        sha256={name: digest(folder / name) for name in (LOG, DATABASE)},
    )
    packed = folder / "packed"
    _write_tar(packed, folder, manifest)
    packed.rename(file)
    sync(file.parent)
    return manifest


@contextmanager
def _one_moment(where: Places) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Views of log and database between which nothing was published."""
    with (
        closing(_open(where.log)) as publishing,
        closing(_open(where.log)) as log,
        closing(_open(where.database)) as database,
    ):
        publishing.execute("begin immediate")  # from here on every publisher waits
        for view in (log, database):  # the database with the ledger last, so that it knows all that the log knows
            _look(view)
        publishing.execute("rollback")
        yield log, database


def _look(view: sqlite3.Connection) -> None:
    """From now on it shows what there is now: only a first look fixes that."""
    view.execute("begin")
    view.execute("select count(*) from sqlite_master").fetchone()


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None)


def _copy(view: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as target:
        view.backup(target)  # in one go: from inside the view's transaction, so what is written meanwhile is not in it


def _write_tar(packed: Path, folder: Path, manifest: Manifest) -> None:
    with packed.open("xb") as out:
        packed.chmod(0o600)  # members' names and numbers are in it
        with tarfile.open(fileobj=out, mode="w") as tar:
            told = manifest.model_dump_json(indent=2).encode() + b"\n"
            about = tarfile.TarInfo(MANIFEST)
            about.size, about.mtime, about.mode = len(told), int(manifest.made_at.timestamp()), 0o600
            tar.addfile(about, io.BytesIO(told))
            for name in (LOG, DATABASE):
                tar.add(folder / name, name)
        out.flush()
        os.fsync(out.fileno())


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Return once this file, or the entries of this folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
