"""Who wants to hear no more: by member or by address, of everything, a purpose or a channel.  Final, and at once.

No import undoes an opt-out.  The functions return the news for the log; the caller puts it into the outbox of the same
transaction.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Integer, String, Table, insert, select, update

from decisions.mobiles import mobile_of
from decisions.permissions import Scope, bit
from registry import addresses, revisions
from registry.columns import Moment
from registry.errors import NotFound
from registry.lists import among
from registry.members import MEMBERS
from registry.metadata import METADATA
from registry.upserts import keeping
from schemas.audience import MemberChanged
from schemas.dispatch import OptedOut
from schemas.words import Channel, Purpose

OPT_OUTS = Table(
    "opt_outs",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("member_id", Integer, ForeignKey("members.id"), nullable=False),
    Column("purpose", String(16), comment="none: any"),
    Column("channel", String(16), comment="none: any"),
    Column("at", Moment, nullable=False),
    Column("source", String(64), nullable=False),
    Index(None, "member_id"),
)

NUMBER_OPT_OUTS = Table(
    "number_opt_outs",
    METADATA,
    Column("mobile", String(32), primary_key=True),
    Column("scope", BigInteger, primary_key=True, comment="decisions.permissions.bit"),
    Column("at", Moment, nullable=False),
    Column("source", String(64), nullable=False),
)

News = list[OptedOut | MemberChanged]


def opt_out(
    connection: Connection,
    member_id: int,
    *,
    purpose: Purpose | None = None,
    channel: Channel | None = None,
    at: datetime,
    source: str,
) -> News:
    """A member wants no more of this (none means any).  Raises `NotFound`; a second time changes nothing."""
    known = connection.execute(
        select(MEMBERS.c.opt_outs).where(MEMBERS.c.id == member_id, MEMBERS.c.erased_at.is_(None))
    ).scalar()
    if known is None:
        raise NotFound(f"there is no member {member_id}")
    scope = bit(Scope(purpose, channel))
    if known & scope:
        return []
    revision = revisions.take(connection).revision
    connection.execute(
        insert(OPT_OUTS).values(member_id=member_id, purpose=purpose, channel=channel, at=at, source=source)
    )
    connection.execute(
        update(MEMBERS)
        .where(MEMBERS.c.id == member_id)
        .values(opt_outs=MEMBERS.c.opt_outs.bitwise_or(scope), revision=revision)
    )
    return _news([member_id], Scope(purpose, channel), revision)


def opt_out_address(
    connection: Connection,
    channel: Channel,
    address: str,
    *,
    purpose: Purpose | None = None,
    at: datetime,
    source: str,
) -> News:
    """Whoever has this address wants no more: a number that nobody or several members have, or a mailbox.

    For a number it also holds for members who get it later, whatever comes to that number.
    """
    if channel is Channel.EMAIL:
        return [
            news
            for member_id in addresses.owners(connection, channel, address)
            for news in opt_out(connection, member_id, purpose=purpose, channel=channel, at=at, source=source)
        ]
    return opt_out_number(connection, address, purpose=purpose, at=at, source=source)


def opt_out_number(
    connection: Connection,
    number: str,
    *,
    purpose: Purpose | None = None,
    channel: Channel | None = None,
    at: datetime,
    source: str,
) -> News:
    """Nothing of this goes to this number any more, whoever has it now or later.  A second time changes nothing."""
    mobile = mobile_of(number) or number.strip()[:32]
    scope = bit(Scope(purpose, channel))
    statement = keeping(NUMBER_OPT_OUTS, connection.dialect.name)
    statement = statement.values(mobile=mobile, scope=scope, at=at, source=source)
    if connection.execute(statement.returning(NUMBER_OPT_OUTS.c.mobile)).first() is None:
        return []
    members = addresses.owners(connection, Channel.SMS, mobile)
    if not members:
        return []
    revision = revisions.take(connection).revision
    connection.execute(
        update(MEMBERS)
        .where(among(connection, MEMBERS.c.id, members))
        .values(number_opt_outs=MEMBERS.c.number_opt_outs.bitwise_or(scope), revision=revision)
    )
    return _news(members, Scope(purpose, channel), revision)


def of_numbers(connection: Connection, mobiles: Sequence[str]) -> dict[str, int]:
    """What was refused for each of these mobiles, as bits; those of which nothing was refused are left out."""
    table = NUMBER_OPT_OUTS
    if connection.execute(select(table.c.mobile).limit(1)).first() is None:
        return {}
    refused: dict[str, int] = {}
    for row in connection.execute(
        select(table.c.mobile, table.c.scope).where(among(connection, table.c.mobile, mobiles))
    ):
        refused[row.mobile] = refused.get(row.mobile, 0) | row.scope
    return refused


def _news(members: Sequence[int], scope: Scope, revision: int) -> News:
    return [
        news
        for member_id in members
        for news in (
            OptedOut(member_id=member_id, purpose=scope.purpose, channel=scope.channel),
            MemberChanged(member_id=member_id, revision=revision),
        )
    ]
