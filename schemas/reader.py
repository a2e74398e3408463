"""The one reader: bytes become contracts here and nowhere else."""

import json
import re
from functools import cache
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
    | a.BatchRepeated
    | a.UncertainSettled
    | a.MemberAnswered
    | a.MemberScreened
    | a.Tick
    | a.AppealLaunched
    | a.WaveOpened
    | a.RepeatOrdered
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
    | d.RepeatBatch
    | d.TellMembers
    | d.AnswerReply
    | d.SendingStopped
    | d.SendingPaused
    | d.SendingResumed
    | d.OptedOut
    | d.MemberErased
    | d.DeliveryReported
    | r.ReplyReceived
    | r.ReplyRead,
    Field(discriminator="type"),
]
MESSAGES: TypeAdapter[Message] = TypeAdapter(Message)
CLASSES: dict[str, type[Message]] = {cls.model_fields["type"].default: cls for cls in get_args(get_args(Message)[0])}
_OURS = re.compile(r"muster(\.[a-z][a-z0-9-]{0,60}){1,3}")


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
                f"{_place(error['loc'])}: {error['type']}"
                for error in exc.errors(include_input=False, include_url=False, include_context=False)
            ]
        ) from None


def write(message: Message) -> bytes:
    """The body as JSON, without the fields that have no value."""
    return message.model_dump_json(exclude_none=True).encode()


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in the message something is wrong, in our words alone: a key of a mapping comes from the input."""
    known = _names()
    return ".".join(str(part) if isinstance(part, int) or part in known else "*" for part in loc) or "message"


@cache
def _names() -> frozenset[str]:
    """All types and all fields that our messages have."""
    found = MESSAGES.json_schema()["$defs"].values()
    return frozenset(CLASSES) | {name for schema in found for name in schema.get("properties", ())}


def _raise_if_newer(value: bytes) -> None:
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):  # no JSON, or nested so deep that nobody of ours wrote it
        return
    kind = body.get("type") if isinstance(body, dict) else None
    if isinstance(kind, str) and _OURS.fullmatch(kind) and kind not in CLASSES:
        raise UnknownType(kind) from None
