"""Where each message goes: topic, key and, for shards, partition.  One place."""

from datetime import datetime
from typing import NamedTuple

from decisions.batches import repeat_of
from schemas import appeals as say
from schemas.audience import InviteShard, MemberChanged, MembersImported, ScanShard
from schemas.dispatch import (
    AnswerReply,
    DeliveryReported,
    MemberErased,
    OptedOut,
    RepeatBatch,
    SendBatch,
    SendingPaused,
    SendingResumed,
    SendingStopped,
    TellMembers,
)
from schemas.outgoing import Outgoing, outgoing
from schemas.reader import Message
from schemas.replies import ReplyRead, ReplyReceived
from schemas.requests import HelpRequested, RequestRejected, RequestVerified


class Route(NamedTuple):
    topic: str
    key: str
    partition: int | None = None


def route(message: Message) -> Route:  # noqa: C901, PLR0911, PLR0912 - a table, one line per type
    """Where this message is published.  Everything else on the topic `appeals` is told apart by appeal."""
    match message:
        case HelpRequested() | RequestVerified() | RequestRejected():
            return Route("help-requests", message.request_id)
        case ScanShard() | InviteShard():
            return Route("audience-scans", f"{message.appeal_id}/{message.wave}/{message.shard}", message.shard)
        case SendBatch():
            return Route("dispatch-bulk", batch_id(message.appeal_id, message.wave, message.shard, message.batch))
        case RepeatBatch():
            first = batch_id(message.appeal_id, message.wave, message.shard, message.batch)
            return Route("dispatch-bulk", repeat_of(first))
        case TellMembers():
            return Route("dispatch-urgent", message.message_id)
        case AnswerReply():
            return Route("dispatch-urgent", message.reply_id)
        case SendingStopped():
            return Route("controls", message.appeal_id)
        case SendingPaused() | SendingResumed():
            # A key of its own for each: compaction would keep whichever was published last, not the one decided last.
            return Route("controls", f"{message.appeal_id}/{message.type}/{message.decided_at}")
        case OptedOut():
            return Route("controls", f"member/{message.member_id}/{message.purpose or '*'}/{message.channel or '*'}")
        case MemberErased():
            return Route("controls", f"erased/{message.member_id}")
        case MemberChanged():
            return Route("member-changes", str(message.member_id))
        case MembersImported():
            return Route("member-changes", f"imported/{message.shard}", message.shard)
        case DeliveryReported():
            return Route("deliveries", message.appeal_id)
        case ReplyReceived() | ReplyRead():
            return Route("inbound", str(message.member_id or message.reply_id))
        case _:
            return Route("appeals", message.appeal_id)


def batch_id(appeal_id: str, wave: int, shard: int, batch: int) -> str:
    """The name of a batch, which fixes its content."""
    return f"{appeal_id}/{wave}/{shard}/{batch}"


def post(message: Message, *, event_id: str, source: str, time: datetime) -> Outgoing:
    """The message, addressed."""
    where = route(message)
    return outgoing(
        where.topic, where.key, message, event_id=event_id, source=source, time=time, partition=where.partition
    )


def also_to_responses(message: say.MemberAnswered | say.MemberScreened, told: Outgoing) -> Outgoing:
    """The same event for those who follow members' responses; the same id, so that it is one event."""
    return Outgoing("responses", message.appeal_id, told.envelope, told.value)
