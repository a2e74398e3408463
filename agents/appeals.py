"""The appeals agent: the inputs of the topic `appeals`, in order, each decided once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from agents.gather import Gather
from agents.routes import post
from decisions.appeals.decide import INPUTS, advance, order_id
from decisions.appeals.state import AppealState, next_due, read_state
from registry import appeals, outbox
from registry.database import Database
from registry.errors import DatabaseUnreachable
from schemas.dispatch import SendingStopped
from schemas.outgoing import Outgoing
from streams.errors import Unprocessable
from streams.inbox import Delivery

SOURCE = "/muster/appeals"
_READER = "appeals"
_AT_ONCE = 64


@dataclass(slots=True)
class Case:
    """One appeal as it stands in this transaction."""

    was_applied: int
    applied: int
    state: AppealState | None


class DecideAppeal:
    """Applies each input exactly once: state, reached offset and orders commit together.

    Inputs that wait while a commit is under way share the next one; that keeps their order, so a long queue of reports
    costs the answer behind it one commit and not hundreds.  `on_stop` hears of a stop as soon as it has committed, some
    hops before the broadcast brings it: hearing it twice is harmless.
    """

    def __init__(self, database: Database, *, on_stop: Callable[[SendingStopped], None] = lambda _: None) -> None:
        self._on_stop = on_stop
        self._inputs = Gather(database, self._decide, limit=_AT_ONCE)

    async def __call__(self, delivery: Delivery) -> None:
        if not isinstance(delivery.message, INPUTS):
            return
        decided = await self._inputs.add(delivery)
        if isinstance(decided, Unprocessable):
            raise decided
        for stop in decided:
            self._on_stop(stop)

    def _decide(
        self, connection: Connection, deliveries: Sequence[Delivery]
    ) -> list[Unprocessable | list[SendingStopped]]:
        cases: dict[str, Case] = {}
        problems: dict[int, Unprocessable] = {}
        for number, delivery in enumerate(deliveries):
            try:
                _open(connection, cases, _appeal_id(delivery))
            except Unprocessable as exc:
                problems[number] = exc
        good = [delivery for number, delivery in enumerate(deliveries) if number not in problems]
        fresh = outbox.first_times(connection, _READER, [delivery.envelope.id for delivery in good])
        orders: list[Outgoing] = []
        decided: list[Unprocessable | list[SendingStopped]] = []
        for number, delivery in enumerate(deliveries):
            if number in problems:
                decided.append(problems[number])
            else:
                decided.append(_apply(cases[_appeal_id(delivery)], delivery, fresh, orders))
        outbox.put(connection, orders)
        for appeal_id, case in cases.items():
            _save(connection, appeal_id, case)
        return decided


def _appeal_id(delivery: Delivery) -> str:
    return str(delivery.message.appeal_id)  # type: ignore[union-attr]


def _open(connection: Connection, cases: dict[str, Case], appeal_id: str) -> None:
    if appeal_id in cases:
        return
    stored = appeals.load_state(connection, appeal_id)
    if stored is None:
        raise Unprocessable(f"no appeal {appeal_id} is registered: it was not launched through a door of ours")
    state = read_state(stored.state) if stored.state else None
    cases[appeal_id] = Case(stored.applied, stored.applied, state)


def _apply(case: Case, delivery: Delivery, fresh: set[str], orders: list[Outgoing]) -> list[SendingStopped]:
    """Decide on this input unless it is known; what is ordered is added to `orders`.  Returns the stops among it."""
    if delivery.offset <= case.applied:
        return []
    case.applied = delivery.offset
    if delivery.envelope.id not in fresh:
        return []
    fresh.discard(delivery.envelope.id)
    case.state, messages = advance(case.state, delivery.message, delivery.envelope.time)
    at = case.state.moment if case.state else delivery.envelope.time
    orders += [
        post(message, event_id=order_id(_appeal_id(delivery), delivery.offset, number), source=SOURCE, time=at)
        for number, message in enumerate(messages)
    ]
    return [message for message in messages if isinstance(message, SendingStopped)]


def _save(connection: Connection, appeal_id: str, case: Case) -> None:
    state = case.state
    if case.applied == case.was_applied:
        return
    saved = appeals.save_state(
        connection,
        appeal_id,
        was_applied=case.was_applied,
        offset=case.applied,
        state=state.model_dump_json() if state else None,
        status=state.status.value if state else None,
        next_due=next_due(state) if state else None,
        closed_at=state.moment if state and state.status.closed else None,
    )
    if not saved:
        raise DatabaseUnreachable("another worker has just decided this appeal")
