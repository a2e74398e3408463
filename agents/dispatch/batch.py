"""A batch, whatever lane it came by: who is meant, what is said, and under which lease it is claimed."""

from dataclasses import dataclass

from agents.routes import batch_id
from decisions.batches import repeat_of
from schemas.dispatch import AnswerReply, Draft, RepeatBatch, SendBatch, TellMembers
from schemas.words import Purpose

NO_APPEAL = "-"  # in a reference: the message answers somebody of whom no appeal is known


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a stored selection."""

    shard: int
    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Exactly one of `slice`, `members` and `reply_id` says who is meant."""

    id: str
    lease: str
    appeal_id: str | None
    wave: int
    draft: Draft
    purpose: Purpose | None  # none: an answer to the member's own message, which no opt-out holds back
    drill: bool
    slice: Slice | None = None
    members: tuple[int, ...] = ()
    reply_id: str | None = None
    again: bool = False  # the second attempt: of its slice only those who were still uncertain

    @property
    def mass(self) -> bool:
        return self.slice is not None

    @property
    def reference(self) -> str:
        """What the gateway sees with every message of this batch."""
        return f"{self.draft.kind}/{self.appeal_id or NO_APPEAL}/{self.wave}"


def batch_of(command: SendBatch | RepeatBatch | TellMembers | AnswerReply, lease: str) -> Batch:
    """The batch that this command means."""
    match command:
        case SendBatch() | RepeatBatch():
            again = isinstance(command, RepeatBatch)
            first = batch_id(command.appeal_id, command.wave, command.shard, command.batch)
            return Batch(
                id=repeat_of(first) if again else first,
                lease=lease,
                appeal_id=command.appeal_id,
                wave=command.wave,
                draft=command.draft,
                purpose=command.purpose,
                drill=command.drill,
                slice=Slice(command.shard, command.batch, command.batch_size),
                again=again,
            )
        case TellMembers():
            return Batch(
                id=command.message_id,
                lease=lease,
                appeal_id=command.appeal_id,
                wave=0,
                draft=command.draft,
                purpose=command.purpose,
                drill=command.drill,
                members=command.members,
            )
        case AnswerReply():
            return Batch(
                id=f"ack/{command.reply_id}",
                lease=lease,
                appeal_id=command.appeal_id,
                wave=0,
                draft=command.draft,
                purpose=None,
                drill=command.drill,
                reply_id=command.reply_id,
            )
