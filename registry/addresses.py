"""Whom a message may reach right now, and whose address this is: read afresh before every range that is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, update

from decisions.cards import card_of
from decisions.mobiles import mobile_of
from decisions.permissions import blocking, needed
from registry import revisions
from registry.lists import among
from registry.members import MEMBERS
from schemas.words import Channel, Language, Purpose


class Entry(NamedTuple):
    """`shared`: other members have this mobile too, so one message is enough and its answer goes to a person."""

    address: str
    language: Language
    shared: bool


class Addresses(NamedTuple):
    """Who may be written to, and who is left out because they do not want it.

    Whoever is in neither has no address, no consent, an address that the gateway refused for good, or was erased.
    """

    reachable: Mapping[int, Entry]
    opted_out: frozenset[int]


def addresses(connection: Connection, member_ids: Sequence[int], *, channel: Channel, purpose: Purpose) -> Addresses:
    """The addresses of those of these members who may be written to by this channel for this purpose."""
    address = MEMBERS.c.email if channel is Channel.EMAIL else MEMBERS.c.mobile
    statement = select(
        MEMBERS.c.id,
        address.label("address"),
        MEMBERS.c.language,
        MEMBERS.c.mobile_shared,
        MEMBERS.c.consents,
        MEMBERS.c.opt_outs,
        MEMBERS.c.number_opt_outs,
        MEMBERS.c.sms_failed_status,
    ).where(among(connection, MEMBERS.c.id, member_ids), MEMBERS.c.erased_at.is_(None))
    forbidden, wanted = blocking(purpose, channel), needed(purpose, channel)
    reachable, opted_out = {}, []
    for row in connection.execute(statement):
        if _refusals(row, channel) & forbidden:
            opted_out.append(row.id)
        elif row.address and row.consents & wanted == wanted and not _failed(row, channel):
            shared = bool(row.mobile_shared) and channel is not Channel.EMAIL
            reachable[row.id] = Entry(row.address, Language(row.language), shared)
    return Addresses(reachable, frozenset(opted_out))


def _refusals(row: Row[*tuple[Any, ...]], channel: Channel) -> int:
    # Whoever spoke for a number spoke for what is sent to that number, not for a mailbox.
    own: int = row.opt_outs
    return own if channel is Channel.EMAIL else own | row.number_opt_outs


def _failed(row: Row[*tuple[Any, ...]], channel: Channel) -> bool:
    return channel is Channel.SMS and row.sms_failed_status is not None


def owners(connection: Connection, channel: Channel, address: str) -> list[int]:
    """The members with this address, in order of id: none, the one, or all who share it."""
    if channel is Channel.EMAIL:
        holds = MEMBERS.c.email == address.strip().lower()
    else:
        holds = MEMBERS.c.mobile == mobile_of(address)
    return list(connection.execute(select(MEMBERS.c.id).where(holds).order_by(MEMBERS.c.id)).scalars())


def by_card(connection: Connection, card_number: str) -> list[int]:
    """The member with this card, as a list of one, or an empty one."""
    from_card = select(MEMBERS.c.id).where(MEMBERS.c.card_number == card_of(card_number))
    return list(connection.execute(from_card).scalars())


def language_of(connection: Connection, member_id: int) -> Language | None:
    """The language a member reads; none if there is no such member."""
    found = connection.execute(select(MEMBERS.c.language).where(MEMBERS.c.id == member_id)).scalar()
    return Language(found) if found else None


def record_sms_failure(connection: Connection, member_ids: Sequence[int], status: int, at: datetime) -> None:
    """The gateway refused the mobiles of these members for good: no more messages until an import brings new ones."""
    if member_ids:
        revision = revisions.take(connection).revision
        connection.execute(
            update(MEMBERS)
            .where(among(connection, MEMBERS.c.id, member_ids), MEMBERS.c.erased_at.is_(None))
            .values(sms_failed_at=at, sms_failed_status=status, revision=revision)
        )
