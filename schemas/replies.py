"""What members say, by any channel.  The words themselves stay in the registry and are named by id."""

from typing import Literal

from pydantic import Field

from schemas.base import AppealId, Event, MemberId
from schemas.words import Answer, Channel


class ReplyReceived(Event):
    """A reply was stored under `reply_id`.  `member_id` is missing when its sender is unknown or shares the number."""

    type: Literal["muster.reply-received"] = "muster.reply-received"
    reply_id: str
    channel: Channel
    member_id: MemberId | None = None
    slot: int | None = Field(default=None, ge=0, le=99, description="From the address that was answered to")
    appeal_id: AppealId | None = Field(
        default=None, description="When the channel itself says so: a seat, a link, a key"
    )
    answer: Answer | None = Field(default=None, description="When a person already understood it: a hotline seat")


class ReplyRead(Event):
    """A reply was read; what follows from it is told by events of its own.

    What a gateway brings is read in the transaction that stores it, and this is all that is told of its coming.
    `ReplyReceived` is of what is still to be read.
    """

    type: Literal["muster.reply-read"] = "muster.reply-read"
    reply_id: str
    channel: Channel
    member_id: MemberId | None = None
    appeal_id: AppealId | None = Field(default=None, description="The one that was meant, where it could be told")
    intent: str = Field(max_length=32)
    desk: str | None = Field(default=None, max_length=32, description="Why a person must look at it; none need not")
