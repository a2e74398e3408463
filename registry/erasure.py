"""Forgetting a person in one transaction: the row stays as a number without anything in it, so no id is given twice.

What the person wrote goes, too, and where it came from; that they answered, and what, stays as an id among numbers.
What was refused for a number stays with the number, or the next list would bring it back as one that never said no.
A fingerprint of the card number stays behind, so that the next import of an old file does not bring the person back.
It keeps the number from being read, not from being guessed by whoever holds the database and tries all numbers.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Column, Connection, String, Table, delete, insert, select, update

from decisions.cards import card_of
from registry import addresses, revisions, sharing
from registry.columns import Moment
from registry.errors import NotFound
from registry.ledger import SHARED_NUMBERS
from registry.lists import among
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.opt_outs import OPT_OUTS
from registry.replies import REPLIES
from schemas.audience import MemberChanged
from schemas.dispatch import MemberErased
from schemas.words import Channel

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
    """Forget this member.  Raises `NotFound`; a second time changes nothing.  The caller posts the news."""
    columns = MEMBERS.c
    row = connection.execute(
        select(columns.card_number, columns.mobile, columns.email, columns.erased_at).where(columns.id == member_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no member {member_id}")
    if row.erased_at is not None:
        return []
    revision = revisions.take(connection).revision
    connection.execute(delete(OPT_OUTS).where(OPT_OUTS.c.member_id == member_id))
    connection.execute(
        update(MEMBERS).where(columns.id == member_id).values(**_emptied(), revision=revision, erased_at=at)
    )
    connection.execute(insert(ERASED_CARDS).values(fingerprint=fingerprint(row.card_number), at=at))
    _forget_words(connection, member_id, _only_theirs(connection, row.mobile, row.email))
    # Whoever else has the number must not be asked twice in a wave: that it was asked stays, for whom does not.
    connection.execute(update(SHARED_NUMBERS).where(SHARED_NUMBERS.c.member_id == member_id).values(member_id=0))
    if row.mobile is not None:
        sharing.settle(connection, revision, left=[row.mobile])
    return [MemberErased(member_id=member_id), MemberChanged(member_id=member_id, revision=revision)]


def _only_theirs(connection: Connection, mobile: str | None, email: str | None) -> list[str]:
    """The addresses that nobody has any more, as gateways and mail servers write them."""
    found = []
    if mobile and not addresses.owners(connection, Channel.SMS, mobile):
        found += [mobile, mobile.removeprefix("+"), mobile.removeprefix("+86")]
    if email and not addresses.owners(connection, Channel.EMAIL, email):
        found.append(email)
    return found


def _forget_words(connection: Connection, member_id: int, theirs: Sequence[str]) -> None:
    wrote = (REPLIES.c.member_id == member_id) | REPLIES.c.address.in_(theirs)
    connection.execute(update(REPLIES).where(wrote).values(words="", address="", desk=None))
    connection.execute(delete(SHARED_NUMBERS).where(SHARED_NUMBERS.c.address.in_(theirs)))


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
