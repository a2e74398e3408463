"""What members said, word for word, and what was understood: replies, answers, and what waits for a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Insert,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from registry.columns import Moment
from registry.lists import among, among_named, listed
from registry.metadata import METADATA
from registry.turns import take_turn
from registry.upserts import inserting

REPLIES = Table(
    "replies",
    METADATA,
    Column("reply_id", String(64), primary_key=True),
    Column("received_at", Moment, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("address", String(254), nullable=False),
    Column("sent_to", String(32), nullable=False),
    Column("member_id", BigInteger),
    Column("appeal_id", String(48)),
    Column("words", Text, nullable=False),
    Column("intent", String(32)),
    Column("desk", String(32)),  # why a person must look at it; none = nobody need
    Column("desk_done_by", String(64)),
    Index(None, "address", "received_at"),
    Index(None, "desk"),
)

ANSWERS = Table(
    "answers",
    METADATA,
    Column("appeal_id", String(48), primary_key=True),
    Column("member_id", BigInteger, primary_key=True),
    Column("answer", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("answered_at", Moment, nullable=False),
    Column("reply_id", String(64), nullable=False),
    Column("matched", Boolean),
    Column("screened_by", String(64)),
    Column("screened_at", Moment),
    Column("revision", Integer, nullable=False, server_default="1"),
)

TWICE_WITHIN = timedelta(minutes=10)  # a gateway that pushes the same reply again does so within this time


@dataclass(frozen=True, slots=True)
class Push:
    """A message as a gateway pushed it: from where, to where, and the words."""

    address: str
    sent_to: str
    words: str


# What every reply needs is put together once.
_STORE = insert(REPLIES)


_UNDERSTOOD = (
    update(REPLIES)
    .where(REPLIES.c.reply_id == bindparam("of"))
    .values({name: bindparam(f"to_{name}", type_=String) for name in ("intent", "appeal_id", "desk")})
)


@cache
def _lately(dialect_name: str) -> Select[tuple[str, str, str]]:
    return select(REPLIES.c.address, REPLIES.c.sent_to, REPLIES.c.words).where(
        among_named(dialect_name, REPLIES.c.address, "addresses"),
        REPLIES.c.received_at > bindparam("since"),
        REPLIES.c.channel == bindparam("by"),
    )


@cache
def _by_ids(dialect_name: str) -> Select[Any]:
    return select(REPLIES).where(among_named(dialect_name, REPLIES.c.reply_id, "reply_ids"))


def wait_for_turn(
    connection: Connection, *, members: Iterable[int], channel: str = "", addresses: Iterable[str] = ()
) -> None:
    """Until this transaction ends nobody else stores what comes from these addresses of the channel, or reads what these
    members have said: a member's replies are read one after the other, by whatever worker and way they come.
    """  # noqa: D205
    of_addresses = [f"reply/{channel}/{address}" for address in addresses]
    take_turn(connection, *of_addresses, *(f"reply/member/{member}" for member in members))


def pushed_before(connection: Connection, channel: str, pushes: Sequence[Push], now: datetime) -> list[bool]:
    """Of each of these whether the same sender has said the same words to the same address within ten minutes, before
    or among these.  Who asks has their turn (`wait_for_turn`), so that of two pushes at once one is the first.
    """  # noqa: D205
    addresses = sorted({push.address for push in pushes})
    asked = {"addresses": listed(connection, addresses), "since": now - TWICE_WITHIN, "by": channel}
    known = {
        Push(row.address, row.sent_to, row.words) for row in connection.execute(_lately(connection.dialect.name), asked)
    }
    before = []
    for push in pushes:
        before.append(push in known)
        known.add(push)
    return before


@dataclass(frozen=True, slots=True)
class Received:
    """A reply, word for word; the member and the appeal as far as they are known when it comes, and if it has been read
    already, how (see `Understood`).
    """  # noqa: D205

    reply_id: str
    received_at: datetime
    channel: str
    address: str
    sent_to: str
    member_id: int | None
    appeal_id: str | None
    words: str
    intent: str | None = None
    desk: str | None = None


def store(connection: Connection, received: Sequence[Received]) -> None:
    if received:
        connection.execute(_STORE, [asdict(item) for item in received])


def by_ids(connection: Connection, reply_ids: Sequence[str]) -> dict[str, Row[tuple[object, ...]]]:
    """Those of these replies that are stored."""
    rows = connection.execute(_by_ids(connection.dialect.name), {"reply_ids": listed(connection, reply_ids)})
    return {row.reply_id: row for row in rows}


@dataclass(frozen=True, slots=True)
class Understood:
    """How a reply was read; `desk` says why a person must look at it."""

    reply_id: str
    intent: str
    appeal_id: str | None
    desk: str | None


def understood(connection: Connection, read: Sequence[Understood]) -> None:
    """Keep how these were read."""
    if read:
        connection.execute(
            _UNDERSTOOD,
            [
                {"of": item.reply_id, "to_intent": item.intent, "to_appeal_id": item.appeal_id, "to_desk": item.desk}
                for item in read
            ],
        )


def waiting_for_a_person(connection: Connection, limit: int = 200) -> Sequence[Row[tuple[object, ...]]]:
    """Replies that nobody has looked at yet, the oldest first."""
    return connection.execute(
        select(REPLIES)
        .where(REPLIES.c.desk.is_not(None), REPLIES.c.desk_done_by.is_(None))
        .order_by(REPLIES.c.received_at)
        .limit(limit)
    ).all()


def heard_from(connection: Connection, appeal_id: str, people: Mapping[int, str], since: datetime) -> set[int]:
    """Those of these people who answered this appeal, or from whose address anything came since then, read or not.

    `people` are members and their addresses.
    """
    answered = select(ANSWERS.c.member_id).where(
        ANSWERS.c.appeal_id == appeal_id, among(connection, ANSWERS.c.member_id, list(people))
    )
    wrote = select(REPLIES.c.address).where(
        among(connection, REPLIES.c.address, sorted(set(people.values()))),
        REPLIES.c.received_at >= since,
        (REPLIES.c.appeal_id == appeal_id) | REPLIES.c.appeal_id.is_(None),
    )
    found = set(connection.execute(answered).scalars())
    addresses = set(connection.execute(wrote).scalars())
    return found | {member for member, address in people.items() if address in addresses}


def seen_to(connection: Connection, reply_id: str, *, by: str) -> bool:
    """A person has read this reply and done what it needs; False when it does not wait for one."""
    changed = connection.execute(
        update(REPLIES)
        .where(REPLIES.c.reply_id == reply_id, REPLIES.c.desk.is_not(None), REPLIES.c.desk_done_by.is_(None))
        .values(desk_done_by=by)
    )
    return changed.rowcount == 1


# --- answers --------------------------------------------------------------------------------------------------------


def answer(connection: Connection, appeal_id: str, member_id: int) -> Row[tuple[object, ...]] | None:
    return connection.execute(
        select(ANSWERS).where(ANSWERS.c.appeal_id == appeal_id, ANSWERS.c.member_id == member_id)
    ).first()


@cache
def _answers_of(dialect_name: str) -> Select[tuple[str, int, str]]:
    return select(ANSWERS.c.appeal_id, ANSWERS.c.member_id, ANSWERS.c.answer).where(
        among_named(dialect_name, ANSWERS.c.appeal_id, "appeal_ids"),
        among_named(dialect_name, ANSWERS.c.member_id, "member_ids"),
    )


def answers_of(
    connection: Connection, appeal_ids: Sequence[str], member_ids: Sequence[int]
) -> dict[tuple[str, int], str]:
    """The latest answers of these members to these appeals, as far as there are any."""
    asked = {"appeal_ids": listed(connection, appeal_ids), "member_ids": listed(connection, member_ids)}
    rows = connection.execute(_answers_of(connection.dialect.name), asked)
    return {(row.appeal_id, row.member_id): row.answer for row in rows}


@dataclass(frozen=True, slots=True)
class Answered:
    """What a member has answered to an appeal."""

    appeal_id: str
    member_id: int
    answer: str
    channel: str
    answered_at: datetime
    reply_id: str


@cache
def _put_answers(dialect_name: str) -> Insert:
    insertion = inserting(ANSWERS, dialect_name)
    replaced = {name: insertion.excluded[name] for name in ("answer", "channel", "answered_at", "reply_id")}
    return insertion.on_conflict_do_update(
        index_elements=[ANSWERS.c.appeal_id, ANSWERS.c.member_id],
        set_={**replaced, "revision": ANSWERS.c.revision + 1},
    )


def put_answers(connection: Connection, answers: Sequence[Answered]) -> None:
    """A member's latest answer replaces the one before; a screening that was made stays."""
    if answers:
        connection.execute(_put_answers(connection.dialect.name), [asdict(item) for item in answers])


def screen(connection: Connection, *, appeal_id: str, member_id: int, matched: bool, by: str, at: datetime) -> bool:
    """Write down a screening; False when there is no such answer, or somebody has screened it already."""
    changed = connection.execute(
        update(ANSWERS)
        .where(ANSWERS.c.appeal_id == appeal_id, ANSWERS.c.member_id == member_id, ANSWERS.c.matched.is_(None))
        .values(matched=matched, screened_by=by, screened_at=at)
    )
    return changed.rowcount == 1


def open_yes(connection: Connection, appeal_id: str) -> Sequence[Row[tuple[object, ...]]]:
    """Members whose latest answer is yes and who wait for a coordinator, the oldest first."""
    return connection.execute(
        select(ANSWERS)
        .where(ANSWERS.c.appeal_id == appeal_id, ANSWERS.c.answer == "yes", ANSWERS.c.matched.is_(None))
        .order_by(ANSWERS.c.answered_at, ANSWERS.c.member_id)
    ).all()


def answers(connection: Connection, appeal_id: str, *, limit: int | None = None) -> Sequence[Row[tuple[object, ...]]]:
    """Answers of an appeal, the latest first."""
    statement = (
        select(ANSWERS)
        .where(ANSWERS.c.appeal_id == appeal_id)
        .order_by(ANSWERS.c.answered_at.desc(), ANSWERS.c.member_id)
    )
    return connection.execute(statement.limit(limit) if limit else statement).all()
