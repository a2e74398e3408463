"""Orders to the shards of the member registry, and news of changed members."""

from typing import Literal

from schemas.base import AppealId, Command, Count, Event, MemberId, Shard, WaveNumber
from schemas.criteria import Criteria


class ScanShard(Command):
    """Phase 1: count who fits, keep nothing.  The answer is `ShardCounted`."""

    type: Literal["muster.scan-shard"] = "muster.scan-shard"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    shards: int
    criteria: Criteria


class InviteShard(Command):
    """Phase 2: fix the selection, the best `limit` members in order.  The answer is `ShardSelected`."""

    type: Literal["muster.invite-shard"] = "muster.invite-shard"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    shards: int
    criteria: Criteria
    limit: Count


class MemberChanged(Event):
    """Something about a member changed; the values are read from the registry.  `revision` only grows."""

    type: Literal["muster.member-changed"] = "muster.member-changed"
    member_id: MemberId
    revision: Count


class MembersImported(Event):
    """An import changed members of a shard up to this revision."""

    type: Literal["muster.members-imported"] = "muster.members-imported"
    shard: Shard
    revision: Count
