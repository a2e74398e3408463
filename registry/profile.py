"""All that is known about one member, for the member's own questions (PIPL 45) and for hotline seats."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from decisions.consents import Statement, parse
from decisions.permissions import scopes
from registry.errors import NotFound
from registry.members import MEMBERS
from registry.opt_outs import OPT_OUTS
from schemas.words import Channel, Purpose

_NOT_SHOWN = frozenset(("bucket", "consents", "consent_record", "opt_outs", "number_opt_outs"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An opt-out; none means any.  One that was said for the number, not by the member, has no moment of its own."""

    purpose: Purpose | None
    channel: Channel | None
    at: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """`attributes` are the columns of the members table that mean something by themselves."""

    member_id: int
    attributes: Mapping[str, object]
    consents: Mapping[str, Statement]
    opt_outs: tuple[Refusal, ...]


def profile(connection: Connection, member_id: int) -> Profile:
    """What the registry knows about this member.  Raises `NotFound`."""
    row = connection.execute(select(MEMBERS).where(MEMBERS.c.id == member_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no member {member_id}")
    own = connection.execute(select(OPT_OUTS).where(OPT_OUTS.c.member_id == member_id).order_by(OPT_OUTS.c.number))
    refusals = [Refusal(_purpose(said.purpose), _channel(said.channel), said.at, said.source) for said in own]
    refusals += [Refusal(*scope, None, "number") for scope in scopes(row["number_opt_outs"])]
    attributes = {name: value for name, value in row.items() if name not in _NOT_SHOWN}
    return Profile(member_id, attributes, parse(row["consent_record"]), tuple(refusals))


def _purpose(word: str | None) -> Purpose | None:
    return Purpose(word) if word else None


def _channel(word: str | None) -> Channel | None:
    return Channel(word) if word else None
