"""Which appeals a member was asked for: what a reply without an appeal of its own may mean."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from decisions.shards import shard_of
from registry import appeals, selections


def appeals_that_asked(
    connection: Connection, member_id: int, shards: int, *, open_only: bool = False
) -> Sequence[Row[tuple[Any, ...]]]:
    """The appeals whose selections have this member, the newest first."""
    shard = shard_of(member_id, shards)
    return [
        row
        for row in appeals.appeals(connection, open_only=open_only)
        if selections.asked_in_wave(connection, row.appeal_id, shard, member_id) is not None
    ]
