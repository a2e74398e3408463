"""Keeps `mobile_shared` right: true for exactly those members whose mobile another member has, too."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from registry.lists import among
from registry.members import MEMBERS


def settle(connection: Connection, revision: int, *, arrived: Sequence[str] = (), left: Sequence[str] = ()) -> None:
    """Mark whoever shares a mobile that somebody got, and unmark whoever has one alone that somebody gave up."""
    mobile, shared = MEMBERS.c.mobile, MEMBERS.c.mobile_shared
    if arrived:
        several = select(mobile).where(among(connection, mobile, arrived)).group_by(mobile).having(func.count() > 1)
        connection.execute(
            update(MEMBERS).where(mobile.in_(several), shared.is_(False)).values(mobile_shared=True, revision=revision)
        )
    if left:
        alone = select(mobile).where(among(connection, mobile, left)).group_by(mobile).having(func.count() == 1)
        connection.execute(
            update(MEMBERS).where(mobile.in_(alone), shared.is_(True)).values(mobile_shared=False, revision=revision)
        )


def mark(connection: Connection, revision: int, member_ids: Sequence[int]) -> None:
    """Mark these members, who share a mobile."""
    if member_ids:
        shared = among(connection, MEMBERS.c.id, member_ids) & MEMBERS.c.mobile_shared.is_(False)
        connection.execute(update(MEMBERS).where(shared).values(mobile_shared=True, revision=revision))
