"""How a member lies in memory: a few numbers each, read from the database as numbers.

Everything that a wave may select by has a column here; nothing else does, and nothing that identifies a person but the
surrogate id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Date, Integer, Select, case, cast, func, literal, select

from registry.members import MEMBERS
from schemas.words import ABO, Channel, Language, RhD, Sex

EPOCH = date(1970, 1, 1)
NEVER = -(2**31)  # days since 1970 of a date that is not known
OTHER_GROUP = 9  # a subtype: known, and never a match
ABO_CODES = {ABO.A: 1, ABO.B: 2, ABO.AB: 3, ABO.O: 4}
RHD_CODES = {RhD.POSITIVE: 1, RhD.NEGATIVE: 2, RhD.WEAK: 3, RhD.DEL: 4}
SEX_CODES = {Sex.MALE: 1, Sex.FEMALE: 2}
LANGUAGE_CODES = {Language.CHINESE: 1, Language.ENGLISH: 2}
REACH_BITS = {Channel.SMS: 1, Channel.EMAIL: 2}

Ints = NDArray[np.int64]
# name -> type in memory; the order is that of the query
TYPES: dict[str, type[np.signedinteger[Any]]] = {
    "id": np.int64,
    "revision": np.int64,
    "bucket": np.int16,
    "alive": np.int8,
    "consents": np.int64,
    "opt_outs": np.int64,
    "number_opt_outs": np.int64,
    "reach": np.int8,
    "born": np.int32,
    "deferred": np.int32,
    "sex": np.int8,
    "district": np.int32,
    "language": np.int8,
    "abo": np.int8,
    "rhd": np.int8,
}


@dataclass(slots=True)
class Columns:
    """Parallel arrays, one entry a member; `skills` are bits of a dictionary that the index keeps."""

    arrays: dict[str, NDArray[Any]]
    skills: Ints

    def __len__(self) -> int:
        return len(self.skills)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @property
    def nbytes(self) -> int:
        return self.skills.nbytes + sum(array.nbytes for array in self.arrays.values())

    def take(self, where: NDArray[Any]) -> "Columns":
        """The members at these positions, or under this mask."""
        return Columns({name: array[where] for name, array in self.arrays.items()}, self.skills[where])


def days(day: date) -> int:
    return (day - EPOCH).days


def query(connection: Connection) -> Select[Any]:
    """Every column as a number, so that rows become arrays without touching a value in Python."""
    return select(
        MEMBERS.c.id,
        MEMBERS.c.revision,
        MEMBERS.c.bucket,
        case((MEMBERS.c.erased_at.is_(None), 1), else_=0),
        MEMBERS.c.consents,
        MEMBERS.c.opt_outs,
        MEMBERS.c.number_opt_outs,
        case((MEMBERS.c.mobile.is_not(None) & MEMBERS.c.sms_failed_status.is_(None), REACH_BITS[Channel.SMS]), else_=0)
        + case((MEMBERS.c.email.is_not(None), REACH_BITS[Channel.EMAIL]), else_=0),
        _days(connection, MEMBERS.c.birth_date),
        _days(connection, MEMBERS.c.deferred_until),
        _coded(MEMBERS.c.sex, SEX_CODES),
        func.coalesce(cast(MEMBERS.c.district, Integer), 0),
        _coded(MEMBERS.c.language, LANGUAGE_CODES),
        case((MEMBERS.c.blood_subtype.is_not(None), OTHER_GROUP), else_=_coded(MEMBERS.c.abo, ABO_CODES)),
        _coded(MEMBERS.c.rhd, RHD_CODES),
    )


def _coded(column: ColumnElement[Any], codes: dict[Any, int]) -> ColumnElement[int]:
    return case({word.value: code for word, code in codes.items()}, value=column, else_=0)


def _days(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if connection.dialect.name == "sqlite":
        return func.coalesce(cast(func.julianday(column) - 2440587.5, Integer), NEVER)
    return func.coalesce(column - literal(EPOCH, Date), NEVER)


def skills_query() -> Select[Any]:
    return select(MEMBERS.c.id, MEMBERS.c.skills).where(MEMBERS.c.skills.is_not(None))


def columns_of(rows: Sequence[Any]) -> Columns:
    """Arrays of these rows, in order of id; no skills yet."""
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(TYPES))
    table = table[np.argsort(table[:, 0], kind="stable")]
    arrays: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(table[:, number], dtype=kind) for number, (name, kind) in enumerate(TYPES.items())
    }
    return Columns(arrays, np.zeros(len(rows), np.int64))


def joined(first: Columns, second: Columns) -> Columns:
    """Both, in order of id; a member in both is taken from the second."""
    ids = np.concatenate([second["id"], first["id"]])
    _, positions = np.unique(ids, return_index=True)
    arrays: dict[str, NDArray[Any]] = {name: np.concatenate([second[name], first[name]])[positions] for name in TYPES}
    return Columns(arrays, np.concatenate([second.skills, first.skills])[positions])
