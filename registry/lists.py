"""A list as one parameter: the statement stays the same, and prepared, whatever the length."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine


def among(
    connection: Connection, column: ColumnElement[object], values: Sequence[int] | Sequence[str]
) -> ColumnElement[bool]:
    """Whether the column holds one of these values."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))


def among_named(dialect_name: str, column: ColumnElement[object], name: str) -> ColumnElement[bool]:
    """The same for a statement that is put together once and executed often: that takes longer than executing it.  The
    values come under this name, as `listed` makes them.
    """  # noqa: D205
    if dialect_name == "sqlite":
        return column.in_(select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value))
    return column == any_(bindparam(name, type_=ARRAY(column.type)))


def each_named(dialect_name: str, name: str, of: type[TypeEngine[Any]] | TypeEngine[Any]) -> ColumnElement[Any]:
    """Each of the values that come under this name, as `listed` makes them, a row each: to be selected."""
    if dialect_name == "sqlite":
        column: ColumnElement[Any] = func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value
        return column
    return func.unnest(bindparam(name, type_=ARRAY(of)))


def listed(connection: Connection, values: Sequence[int] | Sequence[str]) -> object:
    """These values as the parameter of an `among_named`."""
    return json.dumps(list(values)) if connection.dialect.name == "sqlite" else list(values)
