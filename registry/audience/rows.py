"""Reads millions of rows of whole numbers into one array, in the manner of each database."""

from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select

from registry.errors import DatabaseUnreachable

_CHUNK: Final = 20_000  # rows that are Python objects at a time
_HEADER: Final = 19  # octets before the first row of a binary COPY: signature, flags, length of the extension
_TRAILER: Final = 2


def numbers(connection: Connection, statement: Select[Any]) -> NDArray[np.int64]:
    """One line a row, one column each of the statement's, all of which must be whole numbers and never null."""
    width = len(statement.selected_columns)
    if connection.dialect.name == "postgresql":
        return _copied(connection, statement, width)
    cursor = connection.execute(statement).cursor  # rows of SQLAlchemy's own would cost as much again
    assert cursor is not None
    chunks = [np.empty(0, np.int64)]
    while rows := cursor.fetchmany(_CHUNK):
        chunks.append(np.fromiter(chain.from_iterable(rows), np.int64, count=len(rows) * width))
    return np.concatenate(chunks).reshape(-1, width)


def _copied(connection: Connection, statement: Select[Any], width: int) -> NDArray[np.int64]:
    """A row of a binary COPY has a fixed form when no value is null, so that it needs no reading but a view."""
    import psycopg  # noqa: PLC0415 - slow to import, and not needed on SQLite

    line = np.dtype([("columns", ">i2"), ("values", [("length", ">i4"), ("value", ">i8")], (width,))])
    text = str(statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    content = bytearray()
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY ({text}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
            for piece in copy:
                content += piece
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise DatabaseUnreachable(str(exc).splitlines()[0]) from exc
    rows = (len(content) - _HEADER - _TRAILER) // line.itemsize
    lines = np.frombuffer(content, line, count=rows, offset=_HEADER)
    assert (lines["values"]["length"] == np.dtype(np.int64).itemsize).all(), "a value is null, or no bigint"
    return lines["values"]["value"].astype(np.int64)
