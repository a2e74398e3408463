"""The appeals agent: one input of the topic `appeals`, one decision, one transaction."""

from functools import partial

from sqlalchemy import Connection

from agents.patience import patient
from agents.routes import post
from decisions.appeals.decide import INPUTS, advance
from decisions.appeals.state import AppealState, next_due
from registry import appeals, outbox
from registry.database import Database
from registry.errors import DatabaseUnreachable
from streams.errors import Unprocessable
from streams.inbox import Delivery

SOURCE = "/muster/appeals"
_READER = "appeals"


class DecideAppeal:
    """Applies each input exactly once: state, reached offset and orders commit together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    async def __call__(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, INPUTS):
            await self._database.write(partial(self._apply, delivery=delivery))

    def _apply(self, connection: Connection, *, delivery: Delivery) -> None:
        appeal_id: str = delivery.message.appeal_id  # type: ignore[union-attr, assignment]
        stored = appeals.load_state(connection, appeal_id)
        if stored is None:
            raise Unprocessable(f"no appeal {appeal_id} is registered: it was not launched through a door of ours")
        if delivery.offset <= stored.applied:
            return
        before = AppealState.model_validate_json(stored.state) if stored.state else None
        state = before
        if outbox.first_time(connection, _READER, delivery.envelope.id):
            state, orders = advance(before, delivery.message, delivery.envelope.time)
            at = state.moment if state else delivery.envelope.time
            outbox.put(
                connection,
                [
                    post(order, event_id=f"{appeal_id}:{delivery.offset}:{number}", source=SOURCE, time=at)
                    for number, order in enumerate(orders)
                ],
            )
        saved = appeals.save_state(
            connection,
            appeal_id,
            was_applied=stored.applied,
            offset=delivery.offset,
            state=state.model_dump_json() if state else None,
            status=state.status.value if state else None,
            next_due=next_due(state) if state else None,
            closed_at=state.moment if state and state.status.closed else None,
        )
        if not saved:
            raise DatabaseUnreachable("another worker has just decided this appeal")
