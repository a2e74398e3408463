"""Selections: whom a wave of an appeal asks, per shard, as one row of packed ids.  Once made it never changes."""

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    literal,
    select,
)

from registry.metadata import METADATA
from registry.upserts import keeping

Ids = NDArray[np.int64]
_WIDTH = 8  # octets of an id

SELECTIONS = Table(
    "selections",
    METADATA,
    Column("appeal_id", String(48), primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("members", LargeBinary, nullable=False),
)


def fix(connection: Connection, appeal_id: str, wave: int, shard: int, members: Ids) -> int:
    """Insert if absent; whoever comes second gets the winner's.  Returns the size of the selection that stands."""
    connection.execute(
        keeping(SELECTIONS, connection.dialect.name).values(
            appeal_id=appeal_id,
            wave=wave,
            shard=shard,
            size=len(members),
            members=members.astype("<i8").tobytes(),
        )
    )
    size = connection.execute(select(SELECTIONS.c.size).where(*_selection(appeal_id, wave, shard))).scalar_one()
    return int(size)


def sizes(connection: Connection, appeal_id: str) -> dict[tuple[int, int], int]:
    """How many members are selected, by wave and shard."""
    rows = connection.execute(
        select(SELECTIONS.c.wave, SELECTIONS.c.shard, SELECTIONS.c.size).where(SELECTIONS.c.appeal_id == appeal_id)
    )
    return {(row.wave, row.shard): row.size for row in rows}


def members(connection: Connection, appeal_id: str, wave: int, shard: int) -> Ids:
    """The members of a selection in their order; none of one that was never made."""
    blob = connection.execute(select(SELECTIONS.c.members).where(*_selection(appeal_id, wave, shard))).scalar()
    return np.frombuffer(blob or b"", "<i8")


def asked_before(connection: Connection, appeal_id: str, shard: int, before_wave: int) -> Ids:
    """All members of a shard whom earlier waves of this appeal asked."""
    blobs = connection.execute(
        select(SELECTIONS.c.members).where(
            SELECTIONS.c.appeal_id == appeal_id, SELECTIONS.c.shard == shard, SELECTIONS.c.wave < before_wave
        )
    ).scalars()
    arrays = [np.frombuffer(blob, "<i8") for blob in blobs]
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def has_asked(connection: Connection, appeal_id: str, shard: int, member_id: int) -> bool:
    """Whether a wave of this appeal selected a member of that shard.

    The database looks: bringing hundreds of kilobytes over for every reply took longer than all the rest of its reading.
    """
    packed = literal(member_id.to_bytes(_WIDTH, "little"), LargeBinary)
    if connection.dialect.name == "sqlite":
        place = func.instr(SELECTIONS.c.members, packed)
    else:
        place = func.position(packed.op("IN")(SELECTIONS.c.members))
    rows = connection.execute(
        select(SELECTIONS.c.wave, place.label("place")).where(
            SELECTIONS.c.appeal_id == appeal_id, SELECTIONS.c.shard == shard
        )
    )
    for wave, at in rows.all():
        if at % _WIDTH == 1:
            return True
        # Octets of two neighbours may look like an id: then its own place, if it has one, may lie behind them.
        if at and member_id in members(connection, appeal_id, wave, shard):
            return True
    return False


def _selection(appeal_id: str, wave: int, shard: int) -> tuple[ColumnElement[bool], ...]:
    return (SELECTIONS.c.appeal_id == appeal_id, SELECTIONS.c.wave == wave, SELECTIONS.c.shard == shard)
