"""An order is refused when there is nothing for it to do, also counting the orders that nobody has decided yet."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from agents import doors
from registry import appeals
from registry.database import Database
from registry.errors import Refused
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import NIGHT, launch

APPEAL = launch().appeal_id


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Within it an appeal is open."""
    with database.transaction() as opened:
        open_appeal(opened, launch())
        yield opened


def _pause(connection: Connection, event_id: str) -> None:
    doors.pause_appeal(connection, APPEAL, by="officer", event_id=event_id, now=NIGHT)


def _resume(connection: Connection, event_id: str) -> None:
    doors.resume_appeal(connection, APPEAL, by="officer", event_id=event_id, now=NIGHT)


def _stop(connection: Connection, event_id: str) -> None:
    doors.stop_appeal(connection, APPEAL, by="officer", reason="enough", event_id=event_id, now=NIGHT)


def test_a_pause_that_is_not_decided_yet_can_be_resumed(connection: Connection):
    with pytest.raises(Refused, match="is open"):
        _resume(connection, "too-early")
    _pause(connection, "pause")
    _resume(connection, "resume")  # the log is away: the appeal is still shown as open
    with pytest.raises(Refused, match="is open"):
        _resume(connection, "again")


def test_a_pause_that_was_typed_again_is_harmless_until_it_is_decided(connection: Connection):
    _pause(connection, "pause")
    _pause(connection, "typed-again")
    appeals.hold(connection, APPEAL)  # what the decider's answer shows
    with pytest.raises(Refused, match="is paused"):
        _pause(connection, "too-late")


def test_an_appeal_that_was_told_to_stop_can_still_be_told_so_and_not_once_it_is_closed(connection: Connection):
    _stop(connection, "stop")
    _stop(connection, "typed-again")
    connection.execute(appeals.APPEALS.update().values(status="stopped"))
    for order in (_pause, _resume, _stop):
        with pytest.raises(Refused, match="is stopped"):
            order(connection, "too-late")
