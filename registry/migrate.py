"""Makes a new database, brings an old one up to date when told to, and keeps its hands off everything else."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from zlib import crc32

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InterfaceError, OperationalError

from registry.database import open_engine
from registry.errors import DatabaseUnreachable, WrongVersion

VERSION_TABLE: Final = "muster_version"
_READ_VERSION: Final = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant
_LOCK: Final = crc32(b"muster/migrate")
_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


def create_or_check(url: str, *, migrate: bool) -> str | None:
    """Make a new database, or see that it has this release's tables; `migrate` brings an older one up to date.

    The version that was found, none of a new one.  Raises `WrongVersion` before anything is written, or `DatabaseUnreachable`.
    """
    found = _stand(make_url(url))
    if _needs_work(found, migrate=migrate):
        engine = open_engine(url)
        try:
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                # Somebody else may have made it while we waited for the lock.
                if _needs_work(_read_stand(connection), migrate=migrate):
                    from registry.upgrading import upgrade  # noqa: PLC0415 - slow to import, and seldom needed

                    upgrade(connection)
        except (OperationalError, InterfaceError) as exc:
            raise DatabaseUnreachable(str(exc.orig).splitlines()[0]) from exc
        finally:
            engine.dispose()
    return found


def is_made(url: str) -> bool:
    """Whether the tables of this release are there; writes nothing.  Raises `WrongVersion` or `DatabaseUnreachable`."""
    return not _needs_work(_stand(make_url(url)), migrate=False)


def _stand(url: URL) -> str | None:
    """The version of this database, none for a new one.  Opens SQLite read-only: even a look could write otherwise."""
    if url.get_backend_name() != "sqlite":
        return _stand_of_server(url)
    path = Path(url.database or "")
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            _refuse_strangers(tables)
            found = connection.execute(_READ_VERSION).fetchone() if VERSION_TABLE in tables else None
            return found[0] if found else None
    except sqlite3.OperationalError as exc:
        raise DatabaseUnreachable(str(exc)) from exc
    except sqlite3.DatabaseError as exc:
        raise WrongVersion(f"{path.name} is no SQLite database: name another file in MUSTER_DATABASE") from exc


def _stand_of_server(url: URL) -> str | None:
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return _read_stand(connection)
    except (OperationalError, InterfaceError) as exc:
        raise DatabaseUnreachable(str(exc.orig).splitlines()[0]) from exc
    finally:
        engine.dispose()


def _read_stand(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    _refuse_strangers(tables)
    if VERSION_TABLE not in tables:
        return None
    return connection.execute(text(_READ_VERSION)).scalar()


def _refuse_strangers(tables: set[str]) -> None:
    foreign = {name for name in tables if not name.startswith("sqlite_")}
    if foreign and VERSION_TABLE not in foreign:
        raise WrongVersion(
            "the database holds tables that are not Muster's: give Muster a database of its own in MUSTER_DATABASE"
        )


def versions() -> frozenset[str]:
    """The versions that this release knows, the newest of them the greatest: how its migrations are numbered."""
    return frozenset(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))


def _needs_work(stand: str | None, *, migrate: bool) -> bool:
    """Whether the migrations must run.  Raises `WrongVersion` where they may not."""
    known = versions()
    head = max(known)
    if stand is None or stand == head:
        return stand is None
    if stand not in known:
        raise WrongVersion(
            f"the database has version {stand}, which this release ({head}) does not know: "
            "a newer Muster made it, use that one"
        )
    if not migrate:
        raise WrongVersion(
            f"the database has version {stand}, this release needs {head}: make a backup, then run `muster database migrate`"
        )
    return True
