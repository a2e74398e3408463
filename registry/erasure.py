"""Forgetting a person in one transaction: the row stays as a number without anything in it, so no id is given twice.

A fingerprint of the card number stays behind, so that the next import of an old file does not bring the person back.
It keeps the number from being read, not from being guessed by whoever holds the database and tries all numbers.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Column, Connection, String, Table, delete, insert, select, update

from decisions.cards import card_of
from registry import revisions, sharing
from registry.columns import Moment
from registry.errors import NotFound
from registry.lists import among
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.opt_outs import OPT_OUTS
from schemas.audience import MemberChanged
from schemas.dispatch import MemberErased

ERASED_CARDS = Table(
    "erased_cards",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
)

_KEPT = frozenset(("id", "bucket", "revision", "erased_at"))
_DEFAULTS = {"mobile_shared": False, "language": "zh", "consents": 0, "opt_outs": 0, "number_opt_outs": 0}


def fingerprint(card_number: str) -> str:
    """What stays of a card number."""
    return sha256(b"muster card " + card_number.encode()).hexdigest()


def erase(connection: Connection, member_id: int, *, at: datetime) -> list[MemberErased | MemberChanged]:
    """Forget this member.  Raises `NotFound`; a second time changes nothing.  The caller posts the news.

    What the member wrote is in `registry.replies`; the door forgets it in the same transaction.
    """
    row = connection.execute(
        select(MEMBERS.c.card_number, MEMBERS.c.mobile, MEMBERS.c.erased_at).where(MEMBERS.c.id == member_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no member {member_id}")
    if row.erased_at is not None:
        return []
    revision = revisions.take(connection).revision
    connection.execute(delete(OPT_OUTS).where(OPT_OUTS.c.member_id == member_id))
    connection.execute(
        update(MEMBERS).where(MEMBERS.c.id == member_id).values(**_emptied(), revision=revision, erased_at=at)
    )
    connection.execute(insert(ERASED_CARDS).values(fingerprint=fingerprint(row.card_number), at=at))
    if row.mobile is not None:
        sharing.settle(connection, revision, left=[row.mobile])
    return [MemberErased(member_id=member_id), MemberChanged(member_id=member_id, revision=revision)]


def _emptied() -> dict[str, object]:
    """Every column that is not kept, so that a column added later is emptied, too."""
    return {
        column.name: None if column.nullable else _DEFAULTS[column.name]
        for column in MEMBERS.columns
        if column.name not in _KEPT
    }


def erased_among(connection: Connection, card_numbers: Sequence[str]) -> frozenset[str]:
    """Those of these cards whose members asked to be forgotten."""
    if connection.execute(select(ERASED_CARDS.c.fingerprint).limit(1)).first() is None:
        return frozenset()
    prints = {fingerprint(card): card for card in card_numbers}
    column = ERASED_CARDS.c.fingerprint
    found = connection.execute(select(column).where(among(connection, column, list(prints)))).scalars()
    return frozenset(prints[print_] for print_ in found)


def readmit(connection: Connection, card_number: str) -> bool:
    """Let an import bring this card again, because the member asked for it; False if it never was erased."""
    card = card_of(card_number)
    if card is None:
        return False
    return connection.execute(delete(ERASED_CARDS).where(ERASED_CARDS.c.fingerprint == fingerprint(card))).rowcount == 1
