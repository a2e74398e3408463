"""The read model of the board: counts, and what happened lately."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from registry import board

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)


def test_counts_are_replaced_as_a_whole(connection: Connection):
    assert board.counts(connection, "a-1") == {}
    board.put_counts(connection, "a-1", {"sent": 5, "refused": 1}, NOW)
    board.put_counts(connection, "a-1", {"sent": 7}, NOW)
    board.put_counts(connection, "a-2", {"sent": 1}, NOW)
    assert board.counts(connection, "a-1") == {"sent": 7}


def test_the_latest_line_comes_first(connection: Connection):
    for number in range(5):
        at = NOW - timedelta(minutes=number)  # the order of arrival counts, not the clock of whoever wrote
        board.happened(connection, "a-1", [(at, "yes", {"member": number})])
    board.happened(connection, "a-2", [(NOW, "stopped", {})])
    lines = board.latest(connection, "a-1", 2)
    assert [(line.what, json.loads(line.details)["member"]) for line in lines] == [("yes", 4), ("yes", 3)]
    assert lines[0].happened_at == NOW - timedelta(minutes=4)
