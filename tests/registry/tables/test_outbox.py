"""What is told to the log keeps its order, leaves with its transaction and is known again when it comes twice."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection

from registry import outbox
from registry.database import Database
from schemas.dispatch import SendingStopped
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing, outgoing

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)


def _stop(number: int) -> Outgoing:
    stopped = SendingStopped(appeal_id=f"a-2011-{number:04}")
    return outgoing("controls", stopped.appeal_id, stopped, event_id=f"e-{number}", source="/muster/test", time=NOW)


def _tombstone() -> Outgoing:
    envelope = Envelope(id="e", source="/muster/test", type="muster.member-changed", time=NOW)
    return Outgoing("member-changes", "7", envelope, None, partition=3)


def test_messages_wait_in_the_order_in_which_they_were_put(connection: Connection):
    outbox.put(connection, [_stop(3), _stop(1)])
    outbox.put(connection, [])
    outbox.put(connection, [_stop(2)])
    assert [message for _, message in outbox.waiting(connection, 10)] == [_stop(3), _stop(1), _stop(2)]
    assert [message for _, message in outbox.waiting(connection, 2)] == [_stop(3), _stop(1)]


def test_a_message_comes_out_as_it_went_in(connection: Connection):
    outbox.put(connection, [_tombstone()])
    ((_, message),) = outbox.waiting(connection, 10)
    assert message == _tombstone()


def test_a_moment_keeps_its_meaning_in_any_zone(connection: Connection):
    message = _stop(1)
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    envelope = message.envelope.model_copy(update={"time": beijing})
    outbox.put(connection, [Outgoing("controls", "k", envelope, message.value)])
    ((_, found),) = outbox.waiting(connection, 10)
    assert found.envelope.time == NOW
    assert found.envelope.time.utcoffset() == timedelta()


def test_a_moment_without_its_zone_is_refused(database: Database):
    envelope = _stop(1).envelope.model_copy(update={"time": NOW.replace(tzinfo=None)})
    with pytest.raises(Exception, match="a moment needs its zone"), database.transaction() as connection:
        outbox.put(connection, [Outgoing("controls", "k", envelope, b"{}")])


def test_what_is_published_is_forgotten_and_nothing_else(connection: Connection):
    outbox.put(connection, [_stop(number) for number in range(4)])
    positions = [position for position, _ in outbox.waiting(connection, 10)]
    outbox.published(connection, positions[:2])
    outbox.published(connection, [])
    assert [position for position, _ in outbox.waiting(connection, 10)] == positions[2:]


def test_a_position_is_never_used_again(connection: Connection):
    outbox.put(connection, [_stop(1)])
    ((position, _),) = outbox.waiting(connection, 10)
    outbox.published(connection, [position])
    outbox.put(connection, [_stop(2)])
    assert outbox.waiting(connection, 10)[0][0] > position


def test_nothing_waits_of_a_transaction_that_failed(database: Database):
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:  # noqa: PT012
        outbox.put(connection, [_stop(1)])
        assert outbox.first_times(connection, "appeals", ["e-1"])
        raise ZeroDivisionError
    with database.transaction() as connection:
        assert outbox.waiting(connection, 10) == []
        assert outbox.first_times(connection, "appeals", ["e-1"])


def test_an_id_is_met_for_the_first_time_once_per_reader(connection: Connection):
    assert outbox.first_times(connection, "appeals", ["e-1"])
    assert not outbox.first_times(connection, "appeals", ["e-1"])
    assert outbox.first_times(connection, "tracking", ["e-1"])
    assert outbox.first_times(connection, "appeals", ["e-2"])
