"""An appeal that was filed, verified, launched and decided on for the first time, for tests that begin there."""

from sqlalchemy import Connection

from decisions.appeals.state import AppealState
from registry import appeals
from schemas.appeals import LaunchAppeal
from tests.decisions.appeals.samples import NIGHT


def open_appeal(connection: Connection, order: LaunchAppeal) -> int:
    """Put it into the registry as it stands right after its launch; the slot that it got."""
    spec = order.spec.model_dump_json()
    appeals.file_request(
        connection, request_id=order.request_id, kind="blood", spec=spec, filed_by="seat", filed_at=NIGHT
    )
    appeals.judge_request(connection, order.request_id, verified=True, by="officer", at=NIGHT)
    slot = appeals.launch(
        connection,
        appeal_id=order.appeal_id,
        request_id=order.request_id,
        spec=spec,
        deadline=order.deadline,
        by="officer",
        at=NIGHT,
        drill=False,
    )
    state = AppealState(launch=order, launched_at=NIGHT, moment=NIGHT)
    saved = appeals.save_state(
        connection,
        order.appeal_id,
        was_applied=-1,
        offset=0,
        state=state.model_dump_json(),
        status="open",
        next_due=None,
        closed_at=None,
    )
    assert saved
    return slot
