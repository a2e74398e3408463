"""Whom a message may reach right now, and whose address this is: read afresh before every range that is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, false, select, update

from decisions.cards import card_of
from decisions.mobiles import mobile_of
from decisions.permissions import blocking, needed
from registry import revisions
from registry.lists import among
from registry.members import MEMBERS
from schemas.words import Channel, Language, Purpose

_LANGUAGES = {language.value: language for language in Language}


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
    forbidden, wanted = blocking(purpose, channel), needed(purpose, channel)
    statement = _members_by(channel).where(among(connection, MEMBERS.c.id, member_ids))
    reachable, opted_out = {}, []
    # Hundreds of thousands of rows in a minute: positions and plain comparisons, in one loop.
    for member_id, address, language, shared, consents, refusals, failed in connection.execute(statement):
        if refusals & forbidden:
            opted_out.append(member_id)
        elif address and consents & wanted == wanted and not failed:
            reachable[member_id] = Entry(address, _LANGUAGES[language], bool(shared))
    return Addresses(reachable, frozenset(opted_out))


@cache
def _members_by(channel: Channel) -> Select[*tuple[Any, ...]]:
    """Id, address, language, whether others share it, consents, refusals, whether the gateway refused it for good."""
    if channel is Channel.EMAIL:
        # Whoever spoke for a number spoke for what is sent to that number, not for a mailbox.
        own: tuple[Any, ...] = (
            MEMBERS.c.email,
            MEMBERS.c.language,
            false(),
            MEMBERS.c.consents,
            MEMBERS.c.opt_outs,
            MEMBERS.c.email_failed_status.is_not(None),
        )
    else:
        failed = MEMBERS.c.sms_failed_status.is_not(None) if channel is Channel.SMS else false()
        refusals = MEMBERS.c.opt_outs.bitwise_or(MEMBERS.c.number_opt_outs)
        own = (MEMBERS.c.mobile, MEMBERS.c.language, MEMBERS.c.mobile_shared, MEMBERS.c.consents, refusals, failed)
    return select(MEMBERS.c.id, *own).where(MEMBERS.c.erased_at.is_(None))


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


def record_failure(
    connection: Connection, channel: Channel, member_ids: Sequence[int], status: int, at: datetime
) -> None:
    """The gateway refused the addresses of these members for good: no more messages until an import brings new ones."""
    if member_ids:
        revision = revisions.take(connection).revision
        connection.execute(
            update(MEMBERS)
            .where(among(connection, MEMBERS.c.id, member_ids), MEMBERS.c.erased_at.is_(None))
            .values({**_failure(channel, status, at), "revision": revision})
        )


def forget_email_failure(connection: Connection, member_ids: Sequence[int]) -> None:
    """These members have a new mailbox, of which nothing is known yet."""
    if member_ids:
        statement = update(MEMBERS).where(among(connection, MEMBERS.c.id, member_ids))
        connection.execute(statement.values(_failure(Channel.EMAIL, None, None)))


def _failure(channel: Channel, status: int | None, at: datetime | None) -> dict[str, object]:
    name = "email" if channel is Channel.EMAIL else "sms"
    return {f"{name}_failed_at": at, f"{name}_failed_status": status}
