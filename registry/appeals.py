"""Help requests and appeals as the doors see them, and the decider's state with the input it has reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from registry.columns import Moment
from registry.errors import NotFound, Refused
from registry.metadata import METADATA
from registry.turns import take_turn

REQUESTS = Table(
    "requests",
    METADATA,
    Column("request_id", String(48), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("spec", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("filed_at", Moment, nullable=False),
    Column("filed_by", String(64), nullable=False),
    Column("judged_at", Moment),
    Column("judged_by", String(64)),
    Column("reason", Text),
)

APPEALS = Table(
    "appeals",
    METADATA,
    Column("appeal_id", String(48), primary_key=True),
    Column("request_id", String(48), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("launched_at", Moment, nullable=False),
    Column("launched_by", String(64), nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("spec", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("ordered", String(16)),  # the status that the latest accepted order leads to, once it is decided
    Column("closed_at", Moment),
    Column("state", Text),
    Column("applied", BigInteger, nullable=False, server_default="-1"),
    Column("next_due", Moment),
    UniqueConstraint("request_id"),
)
SLOTS = 100
OPEN = ("open", "paused")
FILED, VERIFIED, REJECTED, LAUNCHED = "filed", "verified", "rejected", "launched"


# What the decider and dispatch execute again and again is put together once.
_THIS = APPEALS.c.appeal_id == bindparam("asked")
_STATUS = select(APPEALS.c.status).where(_THIS)
_IN_SLOT = (
    select(APPEALS.c.appeal_id, APPEALS.c.slot, APPEALS.c.status, APPEALS.c.spec)
    .where(APPEALS.c.slot == bindparam("asked"))
    .order_by(APPEALS.c.launched_at.desc())
    .limit(1)
)
_HOLD = update(APPEALS).where(_THIS, APPEALS.c.status == "open").values(status="paused")
_STATE = select(APPEALS.c.state, APPEALS.c.applied).where(_THIS)
_REACH = (
    update(APPEALS)
    .where(_THIS, APPEALS.c.applied == bindparam("was_applied"))
    .values(applied=bindparam("applied"), next_due=bindparam("next_due"))
)
_SAVE = _REACH.values(
    state=bindparam("state"),
    status=bindparam("status"),
    closed_at=func.coalesce(APPEALS.c.closed_at, bindparam("now_closed_at", type_=Moment)),
)
_WAKING = select(APPEALS.c.appeal_id, APPEALS.c.next_due).where(
    APPEALS.c.status.in_(OPEN), APPEALS.c.next_due.is_not(None)
)


@dataclass(frozen=True, slots=True)
class StoredState:
    """The decider's state as JSON, and the offset of the last input in it."""

    state: str | None
    applied: int


# --- requests -------------------------------------------------------------------------------------------------------


def file_request(
    connection: Connection, *, request_id: str, kind: str, spec: str, filed_by: str, filed_at: datetime
) -> None:
    connection.execute(
        insert(REQUESTS).values(
            request_id=request_id, kind=kind, spec=spec, status=FILED, filed_at=filed_at, filed_by=filed_by
        )
    )


def request(connection: Connection, request_id: str) -> Row[tuple[object, ...]]:
    """The request.  Raises `NotFound`."""
    row = connection.execute(select(REQUESTS).where(REQUESTS.c.request_id == request_id)).first()
    if row is None:
        raise NotFound(f"there is no request {request_id}: `muster request list` shows them all")
    return row


def requests(connection: Connection) -> Sequence[Row[tuple[object, ...]]]:
    return connection.execute(select(REQUESTS).order_by(REQUESTS.c.filed_at.desc())).all()


def judge_request(
    connection: Connection, request_id: str, *, verified: bool, by: str, at: datetime, reason: str = ""
) -> None:
    """Verify or reject.  Raises `NotFound`, or `Refused` when somebody has done so already."""
    request(connection, request_id)
    changed = connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.request_id == request_id, REQUESTS.c.status == FILED)
        .values(status=VERIFIED if verified else REJECTED, judged_at=at, judged_by=by, reason=reason)
    )
    if changed.rowcount == 0:
        raise Refused(f"request {request_id} is already {request(connection, request_id).status}")


# --- appeals --------------------------------------------------------------------------------------------------------


def launch(
    connection: Connection,
    *,
    appeal_id: str,
    request_id: str,
    spec: str,
    deadline: datetime,
    by: str,
    at: datetime,
    drill: bool,
) -> int:
    """Enter a new appeal and return its slot.  Raises `NotFound`, or `Refused` unless the request is verified."""
    take_turn(connection, "slots")  # else two launches at once would find the same slot free
    status = request(connection, request_id).status
    if status == FILED:
        raise Refused(f"request {request_id} is not verified: a person checks it first (`muster request verify`)")
    if status == LAUNCHED:
        raise Refused(_launched(connection, request_id))
    if status != VERIFIED:
        raise Refused(f"request {request_id} is {status}: if it is real after all, file it again")
    slot = _free_slot(connection)
    try:
        connection.execute(
            insert(APPEALS).values(
                appeal_id=appeal_id,
                request_id=request_id,
                slot=slot,
                drill=drill,
                launched_at=at,
                launched_by=by,
                deadline=deadline,
                spec=spec,
                status="open",
            )
        )
    except IntegrityError as exc:
        raise Refused(f"request {request_id} is already launched") from exc
    connection.execute(update(REQUESTS).where(REQUESTS.c.request_id == request_id).values(status=LAUNCHED))
    return slot


def _launched(connection: Connection, request_id: str) -> str:
    running = connection.execute(select(APPEALS.c.appeal_id).where(APPEALS.c.request_id == request_id)).scalar()
    return f"request {request_id} is already launched as {running}: `muster appeal status {running}` shows it"


def _free_slot(connection: Connection) -> int:
    """The slot that has rested longest, so that a late answer to a closed appeal does not meet a new one."""
    taken = connection.execute(select(APPEALS.c.slot).where(APPEALS.c.status.in_(OPEN))).scalars().all()
    recent = connection.execute(
        select(APPEALS.c.slot)
        .where(APPEALS.c.status.not_in(OPEN))
        .order_by(APPEALS.c.closed_at.desc(), APPEALS.c.launched_at.desc())
        .limit(SLOTS - 1)
    ).scalars()
    order = [slot for slot in range(1, SLOTS) if slot not in taken]
    if not order:
        raise Refused(f"{len(taken)} appeals are open, which is all the sender address can tell apart: stop one first")
    rested = {slot: age for age, slot in reversed(list(enumerate(recent)))}
    return max(order, key=lambda slot: (rested.get(slot, SLOTS), -slot))


def appeal(connection: Connection, appeal_id: str) -> Row[tuple[object, ...]]:
    """The appeal's row.  Raises `NotFound`."""
    row = connection.execute(select(APPEALS).where(APPEALS.c.appeal_id == appeal_id)).first()
    if row is None:
        raise NotFound(f"there is no appeal {appeal_id}: `muster appeal list` shows them all")
    return row


def appeals(connection: Connection, *, open_only: bool = False) -> Sequence[Row[tuple[object, ...]]]:
    statement = select(APPEALS).order_by(APPEALS.c.launched_at.desc())
    if open_only:
        statement = statement.where(APPEALS.c.status.in_(OPEN))
    return connection.execute(statement).all()


def latest_in_slot(connection: Connection, slot: int) -> Row[*tuple[Any, ...]] | None:
    """Id, slot, status and spec of the newest appeal that used this slot."""
    return connection.execute(_IN_SLOT, {"asked": slot}).first()


def status(connection: Connection, appeal_id: str) -> str | None:
    return connection.execute(_STATUS, {"asked": appeal_id}).scalar()


def order(connection: Connection, appeal_id: str, status: str) -> None:
    """Somebody's order that leads to this status has been accepted: the decider will hear it after all those before it."""
    connection.execute(update(APPEALS).where(APPEALS.c.appeal_id == appeal_id).values(ordered=status))


def hold(connection: Connection, appeal_id: str) -> None:
    """Show an open appeal as paused, ahead of the decider: the order to pause it is on its way."""
    connection.execute(_HOLD, {"asked": appeal_id})


# --- the decider's state --------------------------------------------------------------------------------------------


def load_state(connection: Connection, appeal_id: str) -> StoredState | None:
    row = connection.execute(_STATE, {"asked": appeal_id}).first()
    return None if row is None else StoredState(row.state, row.applied)


def save_state(
    connection: Connection,
    appeal_id: str,
    *,
    was_applied: int,
    offset: int,
    state: str | None,
    status: str | None,
    next_due: datetime | None,
    closed_at: datetime | None,
) -> bool:
    """Compare and set: False when another owner has applied an input since `was_applied`; then nothing is written.

    An appeal closes once: inputs that come after that leave `closed_at` as it was.
    """
    reached = {"asked": appeal_id, "was_applied": was_applied, "applied": offset, "next_due": next_due}
    if state is None:
        return connection.execute(_REACH, reached).rowcount == 1
    changed = {"state": state, "status": status, "now_closed_at": closed_at}
    return connection.execute(_SAVE, reached | changed).rowcount == 1


def waking(connection: Connection) -> list[tuple[str, datetime]]:
    """The open appeals that want to be woken, each with the moment it asked for."""
    return [(row.appeal_id, row.next_due) for row in connection.execute(_WAKING)]
