"""Whom a message may reach right now, and whose address this is: read afresh before every range that is sent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from decisions.cards import card_of
from decisions.mobiles import mobile_of
from decisions.permissions import blocking, needed
from registry import revisions
from registry.lists import among, among_named, listed
from registry.members import MEMBERS
from schemas.words import Channel, Language, Purpose

# One character for each language; only ever appended to.
LANGUAGES: Final = {"z": Language.CHINESE, "e": Language.ENGLISH}
NOBODY: Final = "0"
OPTED_OUT: Final = "1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is known of some members, one entry each in every column, in the order in which they were asked for.

    `verdicts` holds one character a member: `NOBODY` has no address, no consent, an address that the gateway refused for
    good, or was erased; `OPTED_OUT` does not want this; any other is the code of the language of somebody who may be
    written to (`LANGUAGES`).  `shared`: "1" where other members have this mobile too, so one message is enough and its
    answer goes to a person.
    """

    verdicts: str
    shared: str
    addresses: list[str]

    def part(self, first: int, last: int) -> "Addresses":
        """Those from `first` to `last` (one past)."""
        if last - first == len(self.addresses):
            return self
        return Addresses(self.verdicts[first:last], self.shared[first:last], self.addresses[first:last])


def addresses(connection: Connection, member_ids: Sequence[int], *, channel: Channel, purpose: Purpose) -> Addresses:
    """The addresses of these members as far as they may be written to by this channel for this purpose.

    One row comes back, however many are asked for.  Hundreds of thousands are read in a minute, and the driver lets go
    of the interpreter for each row that it fetches: waiting to get it back took longer than the reading.
    """
    if not member_ids:
        return Addresses("", "", [])
    limits = {"forbidden": blocking(purpose, channel), "wanted": needed(purpose, channel)}
    if connection.dialect.name == "sqlite":
        asked = ",".join(map(str, member_ids))
        row = connection.execute(_columns_by(channel, "sqlite"), {"asked": f"[{asked}]", **limits}).one()
        if row.ids != asked:
            # SQLite promises no order for what it joins together; it has always been the one in which it reads.
            raise AssertionError("addresses came back in another order than they were asked for")
    else:
        row = connection.execute(_columns_by(channel, "postgresql"), {"asked": list(member_ids), **limits}).one()
    return Addresses(row.verdicts, row.shared, row.addresses.split("\n"))


@cache
def _columns_by(channel: Channel, dialect: str) -> Select[*tuple[Any, ...]]:
    """Three columns, each of all members in one text; on SQLite also their ids."""
    if dialect == "sqlite":
        asked = func.json_each(bindparam("asked", type_=Text)).table_valued("value").alias("asked")
        verdict, shared, address = _judged(channel, MEMBERS.c)
        both = asked.outerjoin(MEMBERS, and_(MEMBERS.c.id == asked.c.value, MEMBERS.c.erased_at.is_(None)))

        def together(column: ColumnElement[str], between: str) -> ColumnElement[str]:
            return func.group_concat(column, between)

        ids = [together(cast(asked.c.value, Text), ",").label("ids")]
    else:
        unnested = func.unnest(bindparam("asked", type_=ARRAY(BigInteger)))
        asked = unnested.table_valued("value", with_ordinality="place").render_derived()
        # With a limit each is looked up by its id.  Left to itself, and sure of nothing after an import, the planner
        # rather reads all members for every range.
        lookup = select(MEMBERS).where(MEMBERS.c.id == asked.c.value, MEMBERS.c.erased_at.is_(None)).limit(1)
        member = lookup.lateral("member")
        verdict, shared, address = _judged(channel, member.c)
        both = asked.outerjoin(member, true())

        def together(column: ColumnElement[str], between: str) -> ColumnElement[str]:
            return func.string_agg(column, aggregate_order_by(literal(between), asked.c.place))

        ids = []
    return select(
        *ids,
        together(verdict, "").label("verdicts"),
        together(shared, "").label("shared"),
        together(address, "\n").label("addresses"),
    ).select_from(both)


def _judged(
    channel: Channel, member: ReadOnlyColumnCollection[str, Any]
) -> tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]]:
    """Verdict, whether others share it, and address of one member."""
    shared: ColumnElement[str] = literal("0")
    refusals: ColumnElement[int] = member.opt_outs
    if channel is Channel.EMAIL:
        # Whoever spoke for a number spoke for what is sent to that number, not for a mailbox.
        address, failed = member.email, member.email_failed_status
    else:
        address, failed = member.mobile, member.sms_failed_status
        refusals = member.opt_outs.bitwise_or(member.number_opt_outs)
        shared = case((member.mobile_shared, "1"), else_="0")
    forbidden, wanted = bindparam("forbidden", type_=BigInteger), bindparam("wanted", type_=BigInteger)
    verdict = case(
        (member.id.is_(None), NOBODY),
        (refusals.bitwise_and(forbidden) != 0, OPTED_OUT),
        (func.coalesce(address, "") == "", NOBODY),
        (member.consents.bitwise_and(wanted) != wanted, NOBODY),
        (failed.is_not(None), NOBODY),
        *((member.language == language.value, code) for code, language in LANGUAGES.items()),
        else_=next(iter(LANGUAGES)),
    )
    return verdict, shared, func.coalesce(address, "")


@cache
def _owners(channel: Channel, dialect_name: str) -> Select[tuple[str, int]]:
    held = MEMBERS.c.email if channel is Channel.EMAIL else MEMBERS.c.mobile
    return (
        select(held.label("held"), MEMBERS.c.id).where(among_named(dialect_name, held, "asked")).order_by(MEMBERS.c.id)
    )


def owners_of(connection: Connection, channel: Channel, addresses: Sequence[str]) -> dict[str, list[int]]:
    """For each of these addresses the members who have it, in order of id: none, the one, or all who share it."""
    # A service number is nobody's: compared with nothing it would be everybody's who has no mobile.
    written = {address: _as_stored(channel, address) for address in addresses}
    asked = sorted({form for form in written.values() if form is not None})
    found: defaultdict[str | None, list[int]] = defaultdict(list)
    if asked:
        statement = _owners(channel, connection.dialect.name)
        for row in connection.execute(statement, {"asked": listed(connection, asked)}):
            found[row.held].append(row.id)
    return {address: found.get(form, []) for address, form in written.items()}


def _as_stored(channel: Channel, address: str) -> str | None:
    return address.strip().lower() if channel is Channel.EMAIL else mobile_of(address)


def owners(connection: Connection, channel: Channel, address: str) -> list[int]:
    """The members with this address, in order of id."""
    return owners_of(connection, channel, [address])[address]


def by_card(connection: Connection, card_number: str) -> list[int]:
    """The member with this card, as a list of one, or an empty one."""
    card = card_of(card_number)
    if card is None:
        return []
    from_card = select(MEMBERS.c.id).where(MEMBERS.c.card_number == card)
    return list(connection.execute(from_card).scalars())


def languages_of(connection: Connection, member_ids: Sequence[int]) -> dict[int, Language]:
    """The languages that these members read, as far as there are such members."""
    rows = connection.execute(
        select(MEMBERS.c.id, MEMBERS.c.language).where(among(connection, MEMBERS.c.id, member_ids))
    )
    return {row.id: Language(row.language) for row in rows}


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
    # Whatever is no e-mail goes to the mobile number, and a number that is none has no text messages and no calls.
    name = "email" if channel is Channel.EMAIL else "sms"
    return {f"{name}_failed_at": at, f"{name}_failed_status": status}
