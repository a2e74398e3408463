"""All that an appeal's decider reads from the topic `appeals`, and the facts that it writes there."""

from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from schemas.base import (
    LARGEST_BATCH,
    AppealId,
    Command,
    Contract,
    Count,
    Event,
    MemberId,
    RequestId,
    Shard,
    WaveNumber,
)
from schemas.durations import Duration
from schemas.spec import AppealSpec
from schemas.words import Answer, Channel

# --- commands -------------------------------------------------------------------------------------------------------


class LaunchAppeal(Command):
    """Start asking.  All that the decider will ever need is in here, the texts too: a replay needs no settings."""

    type: Literal["muster.launch-appeal"] = "muster.launch-appeal"
    appeal_id: AppealId
    request_id: RequestId
    spec: AppealSpec
    deadline: AwareDatetime
    slot: int = Field(ge=0, le=99, description="Extension of the sender address that tells open appeals apart")
    shards: int = Field(ge=1, le=1024)
    batch_size: int = Field(default=256, ge=1, le=LARGEST_BATCH)
    release_ahead: int = Field(default=60_000, ge=1, description="Members released but not yet sent, at most")
    ask_again_after: Duration = Field(
        default=timedelta(seconds=5),
        gt=timedelta(),
        description="Appeal time after which a silent shard is asked again",
    )

    @model_validator(mode="after")
    def _room_for_a_batch(self) -> "LaunchAppeal":
        if self.release_ahead < self.batch_size:
            raise ValueError("release_ahead must hold at least one batch, or none would ever leave")
        return self


class PauseAppeal(Command):
    type: Literal["muster.pause-appeal"] = "muster.pause-appeal"
    appeal_id: AppealId


class ResumeAppeal(Command):
    type: Literal["muster.resume-appeal"] = "muster.resume-appeal"
    appeal_id: AppealId


class StopAppeal(Command):
    type: Literal["muster.stop-appeal"] = "muster.stop-appeal"
    appeal_id: AppealId
    reason: str = ""


# --- what others report to the decider ------------------------------------------------------------------------------


class ShardCounted(Event):
    """Answer to `ScanShard`: members per score bin (best first) and per first reason of exclusion, all of them once."""

    type: Literal["muster.shard-counted"] = "muster.shard-counted"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    members: Count
    bins: tuple[Count, ...]
    excluded: dict[str, Count]


class ShardSelected(Event):
    """Answer to `InviteShard`: the shard's selection is fixed and has so many members, in this order, for ever."""

    type: Literal["muster.shard-selected"] = "muster.shard-selected"
    appeal_id: AppealId
    wave: WaveNumber
    shard: Shard
    members: Count


class BatchOutcome(Contract):
    """What became of one batch; the counts are members and sum to the size of the batch."""

    shard: Shard
    batch: int = Field(ge=0, description="Number of the batch in its shard's selection, from 0")
    sent: Count = 0
    refused: Count = 0
    uncertain: Count = 0
    withdrawn: Count = 0
    opted_out: Count = 0
    messages: Count = Field(default=0, description="Messages that the gateway accepted: members less shared numbers")


class BatchSent(Event):
    """Batches of one wave are done with, each exactly once, however often this is delivered."""

    type: Literal["muster.batch-sent"] = "muster.batch-sent"
    appeal_id: AppealId
    wave: WaveNumber
    batches: tuple[BatchOutcome, ...]


class RepeatOutcome(BatchOutcome):
    """What became of a second attempt at those members of a batch who were still uncertain when it was ordered."""

    spared: Count = Field(default=0, description="Not asked again after all: they were known to have it meanwhile")


class BatchRepeated(Event):
    """Second attempts of one wave are done with, each exactly once, however often this is delivered."""

    type: Literal["muster.batch-repeated"] = "muster.batch-repeated"
    appeal_id: AppealId
    wave: WaveNumber
    batches: tuple[RepeatOutcome, ...]


class SettledBatch(Contract):
    """Members of one batch who had been uncertain and of whom a receipt told since the last report."""

    shard: Shard
    batch: int = Field(ge=0)
    delivered: Count = 0
    failed: Count = Field(default=0, description="Accepted by the gateway, and arrived nowhere")


class UncertainSettled(Event):
    """Receipts of messages whose answer never came have found their members by number and reference."""

    type: Literal["muster.uncertain-settled"] = "muster.uncertain-settled"
    appeal_id: AppealId
    wave: WaveNumber
    batches: tuple[SettledBatch, ...]


class MemberAnswered(Event):
    """A member's answer was understood.  `told_closed`: the acknowledgement already said that the need is met."""

    type: Literal["muster.member-answered"] = "muster.member-answered"
    appeal_id: AppealId
    member_id: MemberId
    answer: Answer
    channel: Channel
    reply_id: str
    told_closed: bool = False


class MemberScreened(Event):
    """A coordinator asked a member who had said yes: `matched` confirms a donor, otherwise the yes is closed."""

    type: Literal["muster.member-screened"] = "muster.member-screened"
    appeal_id: AppealId
    member_id: MemberId
    matched: bool
    screened_by: str


class Tick(Event):
    """A moment that the decider had asked to be woken at has come."""

    type: Literal["muster.tick"] = "muster.tick"
    appeal_id: AppealId
    due: AwareDatetime


# --- facts that the decider writes -----------------------------------------------------------------------------------


class Decided(Event):
    """A fact that was decided by rules; it names their version, so that it can be decided again by the same ones."""

    decider: int = Field(default=1, ge=1, description="Version of the rules that decided this")


class AppealLaunched(Decided):
    type: Literal["muster.appeal-launched"] = "muster.appeal-launched"
    appeal_id: AppealId
    request_id: RequestId
    need: int
    deadline: AwareDatetime
    drill: bool


class WaveOpened(Decided):
    """All shards have counted: so many members match, so many of them will be asked."""

    type: Literal["muster.wave-opened"] = "muster.wave-opened"
    appeal_id: AppealId
    wave: WaveNumber
    members: Count
    matched: Count
    invited: Count
    excluded: dict[str, Count]


class RepeatOrdered(Decided):
    """Members who are still uncertain will be asked a second time, the only one: so many at most."""

    type: Literal["muster.repeat-ordered"] = "muster.repeat-ordered"
    appeal_id: AppealId
    wave: WaveNumber
    batches: Count
    members: Count


class AppealPaused(Decided):
    type: Literal["muster.appeal-paused"] = "muster.appeal-paused"
    appeal_id: AppealId
    by: str


class AppealResumed(Decided):
    type: Literal["muster.appeal-resumed"] = "muster.appeal-resumed"
    appeal_id: AppealId
    by: str


class AppealFilled(Decided):
    """The need is met."""

    type: Literal["muster.appeal-filled"] = "muster.appeal-filled"
    appeal_id: AppealId
    confirmed: Count
    unreleased: Count
    stood_down: tuple[MemberId, ...]


class AppealStopped(Decided):
    type: Literal["muster.appeal-stopped"] = "muster.appeal-stopped"
    appeal_id: AppealId
    by: str
    reason: str
    confirmed: Count
    unreleased: Count
    stood_down: tuple[MemberId, ...]


class AppealExpired(Decided):
    """The deadline came before the need was met."""

    type: Literal["muster.appeal-expired"] = "muster.appeal-expired"
    appeal_id: AppealId
    confirmed: Count
    unreleased: Count
    stood_down: tuple[MemberId, ...]


class MemberStoodDown(Decided):
    """A yes that came while the appeal was closing is released too, once."""

    type: Literal["muster.member-stood-down"] = "muster.member-stood-down"
    appeal_id: AppealId
    member_id: MemberId
