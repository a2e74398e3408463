"""A list as one parameter: the statement stays the same, and prepared, whatever the length."""

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY


def among(
    connection: Connection, column: ColumnElement[object], values: Sequence[int] | Sequence[str]
) -> ColumnElement[bool]:
    """Whether the column holds one of these values."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))
