"""Which appeals a member was asked for: what a reply without an appeal of its own may mean."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from decisions.shards import shard_of
from registry import selections


def appeals_that_asked(
    connection: Connection, among: Sequence[Row[tuple[Any, ...]]], member_id: int, shards: int
) -> list[Row[tuple[Any, ...]]]:
    """Those of these appeals whose selections have this member, in the same order."""
    shard = shard_of(member_id, shards)
    return [row for row in among if selections.has_asked(connection, row.appeal_id, shard, member_id)]
