"""Who is uncertain: members of whom nobody knows whether their message left, and what is known of them since.

Nothing is written down about them twice: the ledger's records name them, receipts (`deliveries`) settle some of them, and
a second attempt has claims and records of its own.  Here the three are read together.  All positions are those of the
first attempt, counted from the start of its batch.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Index, LargeBinary, String, Table, select, text

from decisions.batches import BatchName, first_of, is_repeat, read_name, repeat_of
from registry import appeals, receipts, selections
from registry.ledger import RECORDS, Fate
from registry.lists import among
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.upserts import keeping

# Whom a second attempt means: fixed once, like a selection, so that its id fixes its content.
REPEATS = Table(
    "repeats",
    METADATA,
    Column("batch_id", String(120), primary_key=True),
    Column("positions", LargeBinary, nullable=False),  # as `packed`
)

_NAMES_SOMEBODY = {
    "sqlite": f"instr(fates, x'{Fate.UNCERTAIN:02x}') > 0",
    "postgresql": rf"position('\x{Fate.UNCERTAIN:02x}'::bytea in fates) > 0",
}
# A few of a hundred thousand records name somebody: this index holds those alone, and costs the others nothing.
Index(
    "ix_records_uncertain",
    RECORDS.c.appeal_id,
    RECORDS.c.wave,
    sqlite_where=text(_NAMES_SOMEBODY["sqlite"]),
    postgresql_where=text(_NAMES_SOMEBODY["postgresql"]),
)
_OCTETS = 2  # of a position
_KNOWN_BY_REPEAT = frozenset({Fate.SENT, Fate.SPARED})


@dataclass(frozen=True, slots=True)
class Doubtful:
    """One batch of which some members were named uncertain, and what is known of them since."""

    name: BatchName
    batch_id: str
    named: tuple[int, ...]
    states: bytes  # by position, from receipts; 0, or beyond its end: no receipt
    again: Mapping[int, Fate]  # what became of those who were asked a second time

    def settled(self, position: int) -> bool:
        """Whether a receipt came."""
        return position < len(self.states) and bool(self.states[position])

    def repeated(self) -> list[int]:
        """Those to whom a second message may have gone."""
        return [position for position, fate in self.again.items() if fate in {Fate.SENT, Fate.UNCERTAIN}]

    def still(self) -> list[int]:
        """Those of whom nothing is known to this day."""
        return [
            position
            for position in self.named
            if not self.settled(position) and self.again.get(position) not in _KNOWN_BY_REPEAT
        ]


def doubtful(connection: Connection, appeal_id: str, *, wave: int | None = None) -> list[Doubtful]:
    """The batches of an appeal's waves, or of one, in which somebody is named uncertain."""
    of_wave = RECORDS.c.wave == wave if wave is not None else RECORDS.c.wave > 0
    return _read(connection, RECORDS.c.appeal_id == appeal_id, of_wave)


def doubtful_batch(connection: Connection, batch_id: str) -> Doubtful | None:
    """The same of one batch, named by its first attempt; none if it names nobody."""
    name = read_name(batch_id)
    where = (RECORDS.c.appeal_id == name.appeal_id, RECORDS.c.wave == name.wave, RECORDS.c.batch_id == batch_id)
    return next(iter(_read(connection, *where)), None)


def waves(connection: Connection, since: datetime) -> set[tuple[str, int]]:
    """(appeal, wave) in which somebody was named uncertain at that moment or later."""
    statement = select(RECORDS.c.appeal_id, RECORDS.c.wave).distinct()
    found = connection.execute(
        statement.where(_names_somebody(connection), RECORDS.c.wave > 0, RECORDS.c.recorded_at >= since)
    )
    return {(row.appeal_id, row.wave) for row in found}


def fix_repeat(connection: Connection, batch_id: str) -> tuple[int, ...]:
    """The positions that the second attempt at this batch means: whoever is uncertain when this is first asked."""
    repeat = repeat_of(batch_id)
    found = doubtful_batch(connection, batch_id)
    put_repeat(connection, repeat, packed(found.still() if found else ()))
    return repeat_positions(connection, repeat)


def packed(positions: Sequence[int]) -> bytes:
    """Positions in a batch, two octets each."""
    return struct.pack(f"<{len(positions)}H", *positions)


def unpacked(octets: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(octets) // _OCTETS}H", octets)


def put_repeat(connection: Connection, repeat: str, positions: bytes) -> None:
    """Fix whom a second attempt means, unless it is fixed already."""
    statement = keeping(REPEATS, connection.dialect.name)
    connection.execute(statement.values(batch_id=repeat, positions=positions))


def repeat_sizes(connection: Connection, appeal_id: str) -> dict[str, int]:
    """How many members each second attempt of this appeal means, by its name."""
    mine = REPEATS.c.batch_id.startswith(f"{repeat_of(appeal_id)}/", autoescape=True)
    return {row.batch_id: len(row.positions) // _OCTETS for row in connection.execute(select(REPEATS).where(mine))}


def repeat_positions(connection: Connection, repeat: str) -> tuple[int, ...]:
    """Whom a second attempt means; nobody if it was never fixed."""
    found = connection.execute(select(REPEATS.c.positions).where(REPEATS.c.batch_id == repeat)).scalar()
    return unpacked(found or b"")


def member_ids(connection: Connection, found: Iterable[Doubtful], batch_size: int) -> dict[str, dict[int, int]]:
    """By batch and position, who everybody is that is named there."""
    kept: dict[tuple[str, int, int], selections.Ids] = {}
    told: dict[str, dict[int, int]] = {}
    for item in found:
        key = item.name[:3]
        if key not in kept:
            kept[key] = selections.members(connection, *key)
        first = item.name.number * batch_size
        told[item.batch_id] = {position: int(kept[key][first + position]) for position in item.named}
    return told


def batch_size(connection: Connection, appeal_id: str) -> int:
    """Into how large batches the selections of this appeal were cut.  It has been decided on before."""
    return int(_launch(connection, appeal_id)["batch_size"])


def shards(connection: Connection, appeal_id: str) -> int:
    """Into how many shards the members are divided for this appeal.  It has been decided on before."""
    return int(_launch(connection, appeal_id)["shards"])


def _launch(connection: Connection, appeal_id: str) -> Mapping[str, Any]:
    stored = appeals.load_state(connection, appeal_id)
    assert stored is not None
    assert stored.state is not None
    launch: Mapping[str, Any] = json.loads(stored.state)["launch"]
    return launch


def members_at(connection: Connection, mobiles: Sequence[str]) -> dict[str, list[int]]:
    """Who has these numbers: several where a number is shared."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    rows = connection.execute(
        select(MEMBERS.c.mobile, MEMBERS.c.id).where(among(connection, MEMBERS.c.mobile, sorted(set(mobiles))))
    )
    for mobile, member_id in rows:
        found[mobile].append(member_id)
    return found


def _names_somebody(connection: Connection) -> ColumnElement[bool]:
    """In the words of the index, or it would not be used."""
    return text(_NAMES_SOMEBODY[connection.dialect.name])  # type: ignore[return-value]


def _read(connection: Connection, *where: ColumnElement[bool]) -> list[Doubtful]:
    named: defaultdict[str, list[int]] = defaultdict(list)
    rows = connection.execute(
        select(RECORDS.c.batch_id, RECORDS.c.first, RECORDS.c.fates)
        .where(_names_somebody(connection), *where)
        .order_by(RECORDS.c.batch_id, RECORDS.c.first)
    )
    for batch_id, first, fates in rows:
        if not is_repeat(batch_id):
            named[batch_id] += [first + place for place, fate in enumerate(fates) if fate == Fate.UNCERTAIN]
    if not named:
        return []
    states = receipts.states(connection, named)
    again = _repeated(connection, [repeat_of(batch_id) for batch_id in named])
    return [
        Doubtful(read_name(batch_id), batch_id, tuple(positions), states.get(batch_id, b""), again.get(batch_id, {}))
        for batch_id, positions in named.items()
    ]


def _repeated(connection: Connection, repeats: Sequence[str]) -> dict[str, dict[int, Fate]]:
    """By first attempt and position, what became of the second one."""
    rows = connection.execute(select(REPEATS).where(among(connection, REPEATS.c.batch_id, repeats)))
    positions = {row.batch_id: unpacked(row.positions) for row in rows}
    told: defaultdict[str, dict[int, Fate]] = defaultdict(dict)
    records = connection.execute(
        select(RECORDS.c.batch_id, RECORDS.c.first, RECORDS.c.fates).where(
            among(connection, RECORDS.c.batch_id, list(positions))
        )
    )
    for repeat, first, fates in records:
        meant = positions[repeat][first : first + len(fates)]
        told[first_of(repeat)].update(zip(meant, map(Fate, fates), strict=True))
    return told
