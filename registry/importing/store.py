"""Writes the rows of a chunk: new members in bulk, known ones only where something changed.

All of it happens under the registry's one counter, so nobody else changes a member between the look and the write.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, String, cast, insert, select
from sqlalchemy.types import Date

from decisions.shards import buckets_of
from registry import addresses, erasure, indexes, opt_outs, revisions, sharing
from registry.importing.alone import Alone
from registry.importing.bulk import Bulk
from registry.importing.chunk import Columns, Row, Rows, Values
from registry.importing.fields import STORED
from registry.lists import among
from registry.members import MEMBERS
from registry.revisions import Turn
from schemas.dispatch import OptedOut

_OPTED_OUT: Final = STORED.index("opt_outs")
_MOBILE: Final = STORED.index("mobile")
_EMAIL: Final = STORED.index("email")
_CARD: Final = STORED.index("card_number")


@dataclass(slots=True)
class Stored:
    """What became of the rows of a chunk; `opted_out` are members known before who the file says want no more."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    erased: list[Row] = field(default_factory=list)
    opted_out: list[OptedOut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    member_id: int
    before: Values
    after: Values


class Store:
    """Stores chunk after chunk in the caller's transactions."""

    def __init__(self, merge: Callable[[Values, Row], Values], bulk: Bulk, alone: Alone | None) -> None:
        self._merge = merge
        self._bulk = bulk
        self._alone = alone

    def store(self, connection: Connection, rows: Rows, at: datetime) -> Stored:
        """Store these rows; every card number comes once among them."""
        result = Stored()
        if not rows:
            return result
        revisions.hold(connection)
        self._look_around(connection)
        cards = rows.columns["card_number"]
        known = {} if self._alone else self._known(connection, cards)
        erased = erasure.erased_among(connection, [card for card in cards if card not in known])
        new, changes = rows.columns, list[_Change]()
        if known or erased:
            new = rows.where([card not in known and card not in erased for card in cards]).columns
            for row in rows:
                card = row.values[_CARD]
                if card in erased:
                    result.erased.append(row)
                elif card in known and (changed := self._change(*known[card], row)) is not None:
                    changes.append(changed)
        result.added, result.updated = len(new["card_number"]), len(changes)
        result.unchanged = len(rows) - result.added - result.updated - len(result.erased)
        if result.added or changes:
            self._write(connection, new, changes, result, at)
        return result

    def _look_around(self, connection: Connection) -> None:
        """From the moment that somebody else has written members they are looked up, as in any other import."""
        if self._alone is not None and not self._alone.holds(connection):
            self._alone = None
            indexes.build(connection)

    def _known(self, connection: Connection, cards: Sequence[str]) -> dict[str, tuple[int, Values]]:
        statement = select(MEMBERS.c.id, *map(_as_text, STORED)).where(among(connection, MEMBERS.c.card_number, cards))
        rows = map(tuple, connection.execute(statement))
        return {row[1]: (row[0], row[1:]) for row in rows}

    def _change(self, member_id: int, known: Values, row: Row) -> _Change | None:
        if known == row.values:
            return None
        after = self._merge(known, row)
        return None if after == known else _Change(member_id, known, after)

    def _write(
        self, connection: Connection, new: Columns, changes: list[_Change], result: Stored, at: datetime
    ) -> None:
        turn = revisions.take(connection, ids=result.added)
        moved = [change for change in changes if change.before[_MOBILE] != change.after[_MOBILE]]
        arrived = [*filter(None, new["mobile"]), *(change.after[_MOBILE] for change in moved if change.after[_MOBILE])]
        refused = opt_outs.of_numbers(connection, arrived)
        if result.added:
            self._insert(connection, new, turn, refused, at)
        self._bulk.update(connection, [(change.member_id, change.after) for change in changes], turn.revision)
        self._bulk.moved(connection, [(change.member_id, refused.get(change.after[_MOBILE], 0)) for change in moved])
        remailed = [change.member_id for change in changes if change.before[_EMAIL] != change.after[_EMAIL]]
        addresses.forget_email_failure(connection, remailed)
        left = [change.before[_MOBILE] for change in moved if change.before[_MOBILE]]
        if self._alone is None:
            sharing.settle(connection, turn.revision, arrived=arrived, left=left)
        leaving = [change.member_id for change in changes if change.after[_OPTED_OUT] != change.before[_OPTED_OUT]]
        result.opted_out = [OptedOut(member_id=member_id) for member_id in leaving]
        _note_opt_outs(connection, leaving, at)

    def _insert(
        self, connection: Connection, new: Columns, turn: Turn, refused: Mapping[str, int], at: datetime
    ) -> None:
        ids = np.arange(turn.first_id, turn.first_id + len(new["card_number"]), dtype=np.int64)
        members: dict[str, Sequence[Any]] = {
            "id": ids.tolist(),
            "bucket": buckets_of(ids).tolist(),
            "revision": [turn.revision] * len(ids),
        }
        if refused:
            members["number_opt_outs"] = [refused.get(mobile, 0) for mobile in new["mobile"]]
        # What nobody has is what a new member has anyway, and a column that is not written costs nothing.
        members |= {name: column for name, column in new.items() if any(column)}
        self._bulk.insert(connection, members)
        if self._alone is not None:
            sharing.mark(connection, turn.revision, self._alone.add(ids, new["mobile"], turn.revision))
        _note_opt_outs(connection, compress(members["id"], new["opt_outs"]), at)


def _note_opt_outs(connection: Connection, member_ids: Iterable[int], at: datetime) -> None:
    rows: list[dict[str, Any]] = [{"member_id": member_id, "at": at, "source": "import"} for member_id in member_ids]
    if rows:
        connection.execute(insert(opt_outs.OPT_OUTS), rows)


def _as_text(name: str) -> Any:  # noqa: ANN401 - a column or an expression over one
    column = MEMBERS.c[name]
    return cast(column, String) if isinstance(column.type, Date) else column
