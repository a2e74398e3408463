"""How a member lies in memory: a few numbers each; of what identifies a person the surrogate id and the mobile number.

Everything that a wave may select by is a field here, and what a text message needs to leave; nothing else is.  The
database packs the fields into few whole numbers per member, because a number that crosses into Python one by one costs
more than reading it from the disk.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache, reduce
from itertools import product
from operator import add
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, ColumnElement, Connection, Date, Integer, Select, case, cast, func, literal, select

from decisions.permissions import blocking
from registry.members import MEMBERS
from schemas.words import ABO, Channel, Language, Purpose, RhD, Sex

OTHER_GROUP: Final = 9  # a subtype: known, and never a match
ABO_CODES: Final = {ABO.A: 1, ABO.B: 2, ABO.AB: 3, ABO.O: 4}
RHD_CODES: Final = {RhD.POSITIVE: 1, RhD.NEGATIVE: 2, RhD.WEAK: 3, RhD.DEL: 4}
SEX_CODES: Final = {Sex.MALE: 1, Sex.FEMALE: 2}
LANGUAGE_CODES: Final = {Language.CHINESE: 1, Language.ENGLISH: 2}
# Whatever is no e-mail goes to the mobile number.
REACH_BITS: Final = {Channel.SMS: 1, Channel.EMAIL: 2}

# A mobile number is +86, a 1 and ten digits: counted from here those ten take 34 bits, and none of them is 0.
FIRST_MOBILE: Final = 10**10
_DIGITS_AFTER: Final = len("+86") + 1  # where they begin, as SQL counts

_DAY_BITS: Final = 22  # date.max.toordinal() is below 2**22
_WORD_BITS: Final = 63  # the sign stays out of it
_PERMISSION_BITS: Final = max(blocking(purpose, channel) for purpose, channel in product(Purpose, Channel)).bit_length()
# field -> bits; 0 in any of them means unknown, or none
_BITS: Final = {
    "id": 32,
    "alive": 1,
    "reach": 2,
    "district": 20,
    "sex": 2,
    "language": 2,
    "abo": 4,
    "rhd": 3,
    "shared": 1,
    "born": _DAY_BITS,
    "deferred": _DAY_BITS,
    "consents": _PERMISSION_BITS,
    "opt_outs": _PERMISSION_BITS,
    "number_opt_outs": _PERMISSION_BITS,
    "mobile": 34,
}
# Ids are handed on as they are; `skills` are numbers of `registry.audience.skills`, which no database knows.
_UNPACKED: Final[dict[str, type[np.signedinteger[Any]]]] = {"id": np.int64, "skills": np.int32}

Ints = NDArray[np.int64]


def _words() -> list[dict[str, int]]:
    """Field -> shift, for each whole number that the database packs."""
    words: list[dict[str, int]] = [{}]
    used = 0
    for name, bits in _BITS.items():
        if used + bits > _WORD_BITS:
            words.append({})
            used = 0
        words[-1][name] = used
        used += bits
    return words


WORDS: Final = _words()


def _type_of(name: str) -> type[np.signedinteger[Any]]:
    """The smallest type that holds the field without touching the sign."""
    known = _UNPACKED.get(name)
    if known is not None:
        return known
    kinds: tuple[type[np.signedinteger[Any]], ...] = (np.int8, np.int16, np.int32, np.int64)
    return next(kind for kind in kinds if _BITS[name] < np.iinfo(kind).bits)


TYPES: Final = {name: _type_of(name) for name in (*_BITS, "skills")}


@dataclass(frozen=True, slots=True)
class Columns:
    """Parallel arrays, one entry a member, in order of id."""

    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["id"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    def take(self, where: NDArray[Any]) -> "Columns":
        """The members at these positions, or under this mask."""
        return Columns({name: array[where] for name, array in self.arrays.items()})

    def positions(self, ids: Ints) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where each id stands, and whether it does at all."""
        if not len(self):
            return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
        at = np.minimum(np.searchsorted(self["id"], ids), len(self) - 1)
        return at, self["id"][at] == ids

    def put(self, changed: "Columns") -> "Columns":
        """Write these members over those known before, and add the new ones; gives what holds all of them."""
        at, known = self.positions(changed["id"])
        for name, array in self.arrays.items():
            array[at[known]] = changed[name][known]
        if known.all():
            return self
        new = changed.take(~known)
        arrays = {name: np.concatenate([self[name], new[name]]) for name in TYPES}
        # Ids are given in rising order, so that there is nothing to sort unless a test makes up its own.
        if len(self) and new["id"][0] < self["id"][-1]:
            return Columns(arrays).take(np.argsort(arrays["id"], kind="stable"))
        return Columns(arrays)


def unpacked(packed: Ints) -> Columns:
    """Columns of rows that `query` packed, in order of id; nobody has skills yet."""
    packed = packed[np.argsort(packed[:, 0] & _mask("id"), kind="stable")]
    arrays: dict[str, NDArray[Any]] = {
        name: ((packed[:, number] >> shift) & _mask(name)).astype(TYPES[name])
        for number, word in enumerate(WORDS)
        for name, shift in word.items()
    }
    arrays["skills"] = np.zeros(len(packed), TYPES["skills"])
    return Columns(arrays)


def _mask(name: str) -> int:
    return (1 << _BITS[name]) - 1


def day_number(day: date) -> int:
    """How a day is written in columns; later days have greater numbers, and none has 0."""
    return day.toordinal()


def query(connection: Connection, *conditions: ColumnElement[bool]) -> Select[Any]:
    """The members for whom all conditions hold, each as packed numbers."""
    return _everybody(connection.dialect.name).where(*conditions)


@cache
def _everybody(dialect: str) -> Select[Any]:
    # Kept, because putting it together takes longer than it takes to find the one member who changed.
    fields = _fields(dialect)
    packed: list[ColumnElement[Any]] = [_packed(fields, word) for word in WORDS]
    return select(*packed)


def _packed(fields: dict[str, ColumnElement[Any]], word: dict[str, int]) -> ColumnElement[int]:
    # On PostgreSQL a plain literal would be of four bytes, and so would the product.
    return reduce(add, (fields[name] * cast(literal(1 << shift), BigInteger) for name, shift in word.items()))


def _fields(dialect: str) -> dict[str, ColumnElement[Any]]:
    columns = MEMBERS.c
    by_sms = case((columns.mobile.is_not(None) & columns.sms_failed_status.is_(None), REACH_BITS[Channel.SMS]), else_=0)
    has_mailbox = columns.email.is_not(None) & columns.email_failed_status.is_(None)
    by_email = case((has_mailbox, REACH_BITS[Channel.EMAIL]), else_=0)
    known_group = columns.blood_subtype.is_not(None)
    return {
        "id": columns.id,
        "alive": case((columns.erased_at.is_(None), 1), else_=0),
        "consents": columns.consents,
        "opt_outs": columns.opt_outs,
        "number_opt_outs": columns.number_opt_outs,
        "mobile": func.coalesce(cast(func.substr(columns.mobile, _DIGITS_AFTER), BigInteger) - FIRST_MOBILE, 0),
        "reach": by_sms + by_email,
        "district": func.coalesce(cast(columns.district, Integer), 0),
        "sex": _coded(columns.sex, SEX_CODES),
        "language": _coded(columns.language, LANGUAGE_CODES),
        "abo": case((known_group, OTHER_GROUP), else_=_coded(columns.abo, ABO_CODES)),
        "rhd": _coded(columns.rhd, RHD_CODES),
        "shared": case((columns.mobile_shared, 1), else_=0),
        "born": _day(dialect, columns.birth_date),
        "deferred": _day(dialect, columns.deferred_until),
    }


def _coded(column: ColumnElement[Any], codes: dict[Any, int]) -> ColumnElement[int]:
    return case({word.value: code for word, code in codes.items()}, value=column, else_=0)


def _day(dialect: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if dialect == "sqlite":
        return func.coalesce(cast(func.julianday(column) - 1721424.5, Integer), 0)
    return func.coalesce(column - literal(date.min, Date) + 1, 0)
