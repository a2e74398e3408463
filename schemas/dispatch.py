"""Orders to send, the broadcast controls that hold them back, and what the gateway reported later."""

from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.base import LARGEST_BATCH, AppealId, Command, Contract, Count, Event, MemberId, Shard, WaveNumber
from schemas.words import Channel, Language, MessageKind, Policy, Purpose


class Draft(Contract):
    """What is to be said, the same for a whole batch."""

    kind: MessageKind
    channel: Channel
    texts: dict[Language, str] = Field(min_length=1)
    slot: int = Field(ge=0, le=99)
    not_after: AwareDatetime = Field(description="No handset shows the message later than this (validity_period)")


class SendBatch(Command):
    """Send to members `batch * batch_size ...` of the selection of (appeal, wave, shard)."""

    type: Literal["muster.send-batch"] = "muster.send-batch"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    batch: int = Field(ge=0)
    batch_size: int = Field(ge=1, le=LARGEST_BATCH)
    policy: Policy
    purpose: Purpose
    draft: Draft


class RepeatBatch(Command):
    """Ask those members of a batch once more who are still uncertain: a batch of its own, sent once like any other."""

    type: Literal["muster.repeat-batch"] = "muster.repeat-batch"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    batch: int = Field(ge=0)
    batch_size: int = Field(ge=1, le=LARGEST_BATCH)
    purpose: Purpose
    draft: Draft


class TellMembers(Command):
    """Send to these members through the urgent lane.  `message_id` names the message: it leaves once per member."""

    type: Literal["muster.tell-members"] = "muster.tell-members"
    message_id: str
    appeal_id: AppealId
    members: tuple[MemberId, ...] = Field(min_length=1, max_length=256)
    purpose: Purpose
    draft: Draft


class AnswerReply(Command):
    """Send to whoever wrote this reply, through the urgent lane, by the channel it came by; once per reply."""

    type: Literal["muster.answer-reply"] = "muster.answer-reply"
    reply_id: str
    appeal_id: AppealId | None = None
    draft: Draft


class SendingStopped(Event):
    """No mass message of this appeal leaves any more."""

    type: Literal["muster.sending-stopped"] = "muster.sending-stopped"
    appeal_id: AppealId


class SendingPaused(Event):
    """Hold the mass messages of this appeal.  Of a pause and a resume the one decided last holds, however late and often
    the other comes: a process that was frozen or cut off may publish again what others have published long ago.
    """  # noqa: D205

    type: Literal["muster.sending-paused"] = "muster.sending-paused"
    appeal_id: AppealId
    decided_at: AwareDatetime | None = Field(default=None, description="None in what older releases wrote: oldest")


class SendingResumed(Event):
    """Go on with the mass messages of this appeal, unless they were held again since `decided_at`."""

    type: Literal["muster.sending-resumed"] = "muster.sending-resumed"
    appeal_id: AppealId
    decided_at: AwareDatetime | None = Field(default=None, description="None in what older releases wrote: oldest")


class OptedOut(Event):
    """A member wants no more appeals: of one purpose, or (none) of any; on one channel, or (none) on all."""

    type: Literal["muster.opted-out"] = "muster.opted-out"
    member_id: MemberId
    purpose: Purpose | None = None
    channel: Channel | None = None


class MemberErased(Event):
    type: Literal["muster.member-erased"] = "muster.member-erased"
    member_id: MemberId


class DeliveredBatch(Contract):
    """Receipts of one batch since the last report, in messages."""

    shard: Shard
    batch: int
    delivered: Count = 0
    failed: Count = 0


class DeliveryReported(Event):
    type: Literal["muster.delivery-reported"] = "muster.delivery-reported"
    appeal_id: AppealId
    wave: WaveNumber
    batches: tuple[DeliveredBatch, ...]
