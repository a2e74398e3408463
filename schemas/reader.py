"""The one reader: bytes become contracts here and nowhere else."""

import json
from typing import Annotated, get_args

from pydantic import Field, TypeAdapter, ValidationError

from schemas import appeals as a
from schemas import audience as au
from schemas import dispatch as d
from schemas import replies as r
from schemas import requests as rq

Message = Annotated[
    rq.HelpRequested
    | rq.RequestVerified
    | rq.RequestRejected
    | a.LaunchAppeal
    | a.PauseAppeal
    | a.ResumeAppeal
    | a.StopAppeal
    | a.ShardCounted
    | a.ShardSelected
    | a.BatchSent
    | a.MemberAnswered
    | a.MemberScreened
    | a.Tick
    | a.AppealLaunched
    | a.WaveOpened
    | a.AppealPaused
    | a.AppealResumed
    | a.AppealFilled
    | a.AppealStopped
    | a.AppealExpired
    | a.MemberStoodDown
    | au.ScanShard
    | au.InviteShard
    | au.MemberChanged
    | au.MembersImported
    | d.SendBatch
    | d.TellMembers
    | d.AnswerReply
    | d.SendingStopped
    | d.SendingPaused
    | d.SendingResumed
    | d.OptedOut
    | d.MemberErased
    | d.DeliveryReported
    | r.ReplyReceived,
    Field(discriminator="type"),
]
MESSAGES: TypeAdapter[Message] = TypeAdapter(Message)
CLASSES: dict[str, type[Message]] = {cls.model_fields["type"].default: cls for cls in get_args(get_args(Message)[0])}


class Unreadable(ValueError):
    """These bytes are no message of ours.  `reasons` never quotes the input: it may hold anything."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class UnknownType(ValueError):
    """A well-formed message of a type that this version does not know: a newer worker wrote it, pass over it."""


def read(value: bytes | None) -> Message:
    """The message in these bytes.  Raises `Unreadable`, or `UnknownType` for a type of a newer version."""
    if value is None:
        raise Unreadable(["the value is empty"])
    try:
        return MESSAGES.validate_json(value, extra="ignore")
    except ValidationError as exc:
        _raise_if_newer(value)
        raise Unreadable(
            [
                f"{'.'.join(str(part) for part in error['loc'])}: {error['type']}"
                for error in exc.errors(include_input=False, include_url=False, include_context=False)
            ]
        ) from None


def write(message: Message) -> bytes:
    """The body as JSON, without the fields that have no value."""
    return message.model_dump_json(exclude_none=True).encode()


def _raise_if_newer(value: bytes) -> None:
    try:
        body = json.loads(value)
    except ValueError:
        return
    kind = body.get("type") if isinstance(body, dict) else None
    if isinstance(kind, str) and kind.startswith("muster.") and kind not in CLASSES:
        raise UnknownType(kind) from None
