"""Writes many members at once in the manner of each database: `executemany` on SQLite, COPY on PostgreSQL."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import psycopg
from sqlalchemy import Connection

from registry.errors import DatabaseUnreachable
from registry.importing.chunk import Columns, Values
from registry.importing.fields import STORED

_ESCAPED: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_SPECIAL: Final = re.compile(r"[\\\t\n\r]")
_NEW_NUMBER: Final = "mobile_shared = false, sms_failed_at = NULL, sms_failed_status = NULL"


class Bulk(Protocol):
    """Writes members by the thousand, in the caller's transaction."""

    def insert(self, connection: Connection, columns: Columns) -> None:
        """Add the members whose values stand side by side in these columns; other columns keep their defaults."""

    def update(self, connection: Connection, rows: Sequence[tuple[int, Values]], revision: int) -> None:
        """Give these members (by id) new values."""

    def moved(self, connection: Connection, rows: Sequence[tuple[int, int]]) -> None:
        """Forget the failures of the old mobiles of these members; the second number is what their new ones refuse."""


class SQLiteBulk:
    """Plain tuples: SQLAlchemy's own way would make a dict of each row."""

    def __init__(self) -> None:
        assignments = ", ".join(f"{name} = ?" for name in (*STORED, "revision"))
        self._update = f"UPDATE members SET {assignments} WHERE id = ?"  # noqa: S608 - constants
        self._moved = f"UPDATE members SET number_opt_outs = ?, {_NEW_NUMBER} WHERE id = ?"  # noqa: S608 - constants

    def insert(self, connection: Connection, columns: Columns) -> None:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO members ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of columns
        _many(connection, statement, list(zip(*columns.values(), strict=True)))

    def update(self, connection: Connection, rows: Sequence[tuple[int, Values]], revision: int) -> None:
        _many(connection, self._update, [(*values, revision, member) for member, values in rows])

    def moved(self, connection: Connection, rows: Sequence[tuple[int, int]]) -> None:
        _many(connection, self._moved, [(refused, member) for member, refused in rows])


def _many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)


class PostgresBulk:
    """New members by COPY; changed ones by COPY into a passing table and one statement over all of them."""

    def insert(self, connection: Connection, columns: Columns) -> None:
        lines = "\n".join(map("\t".join, zip(*map(_as_text, columns.values()), strict=True)))
        with _cursor(connection) as cursor, cursor.copy(_copy("members", tuple(columns))) as copy:
            copy.write(f"{lines}\n".encode())

    def update(self, connection: Connection, rows: Sequence[tuple[int, Values]], revision: int) -> None:
        if not rows:
            return
        columns = ("id", *STORED)
        assignments = ", ".join(f"{name} = changed.{name}" for name in STORED)
        with _cursor(connection) as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE changed ON COMMIT DROP AS SELECT {', '.join(columns)} FROM members LIMIT 0"  # noqa: S608
            )
            with cursor.copy(_copy("changed", columns)) as copy:
                for member, values in rows:
                    copy.write_row((member, *values))
            cursor.execute(
                f"UPDATE members SET {assignments}, revision = %s FROM changed WHERE members.id = changed.id",  # noqa: S608
                (revision,),
            )

    def moved(self, connection: Connection, rows: Sequence[tuple[int, int]]) -> None:
        if rows:
            with _cursor(connection) as cursor:
                cursor.executemany(
                    f"UPDATE members SET number_opt_outs = %s, {_NEW_NUMBER} WHERE id = %s",  # noqa: S608 - constants
                    [(refused, member) for member, refused in rows],
                )


def _as_text(column: Sequence[Any]) -> Iterable[str]:
    """A column as COPY reads it, all at once: the driver's own way, value by value, costs more than the database's."""
    if isinstance(column[0], int):
        return map(str, column)
    if _SPECIAL.search("".join(filter(None, column))):
        column = [text and text.translate(_ESCAPED) for text in column]
    return ["\\N" if text is None else text for text in column]


def _copy(table: str, columns: Sequence[str]) -> str:
    return f"COPY {table} ({', '.join(columns)}) FROM STDIN"


@contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor:
            yield cursor
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise DatabaseUnreachable(str(exc).splitlines()[0]) from exc
