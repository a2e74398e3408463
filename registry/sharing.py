"""Keeps `mobile_shared` right: true for exactly those members whose mobile another member has, too."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from registry.lists import among
from registry.members import MEMBERS


def settle(connection: Connection, mobiles: Sequence[str], revision: int) -> None:
    """Mark whoever shares one of these mobiles, and unmark whoever now has one alone."""
    if not mobiles:
        return
    listed = among(connection, MEMBERS.c.mobile, mobiles)
    owners = select(MEMBERS.c.mobile).where(listed).group_by(MEMBERS.c.mobile)
    for shared, having in ((True, func.count() > 1), (False, func.count() == 1)):
        with_so_many = owners.having(having)
        if not shared:
            # Few are marked, so the marked ones are looked for first and counted then.
            with_so_many = with_so_many.where(
                MEMBERS.c.mobile.in_(select(MEMBERS.c.mobile).where(listed, MEMBERS.c.mobile_shared))
            )
        connection.execute(
            update(MEMBERS)
            .where(MEMBERS.c.mobile.in_(with_so_many), MEMBERS.c.mobile_shared.is_(not shared))
            .values(mobile_shared=shared, revision=revision)
        )
