"""Requests, launches, slots, and the decider's state under compare and set."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection

from registry import appeals
from registry.appeals import StoredState
from registry.database import Database
from registry.errors import NotFound, Refused

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _file(connection: Connection, number: int, *, verified: bool = True) -> str:
    request_id = f"r-2011-{number:04}"
    appeals.file_request(
        connection, request_id=request_id, kind="blood", spec="{}", filed_by="seat", filed_at=NOW + number * HOUR
    )
    if verified:
        appeals.judge_request(connection, request_id, verified=True, by="officer", at=NOW)
    return request_id


def _launch(connection: Connection, number: int, *, request_id: str | None = None) -> int:
    """Its slot."""
    return appeals.launch(
        connection,
        appeal_id=f"a-2011-{number:04}",
        request_id=request_id or _file(connection, number),
        spec="{}",
        deadline=NOW + 4 * HOUR,
        by="officer",
        at=NOW + number * HOUR,
        drill=False,
    )


def _save(
    connection: Connection, number: int, was: int, offset: int, *, status: str = "open", at: datetime = NOW
) -> bool:
    return appeals.save_state(
        connection,
        f"a-2011-{number:04}",
        was_applied=was,
        offset=offset,
        state=f'{{"offset": {offset}}}',
        status=status,
        next_due=NOW + HOUR if status in appeals.OPEN else None,
        closed_at=None if status in appeals.OPEN else at,
    )


def _close(connection: Connection, number: int, at: datetime) -> None:
    assert _save(connection, number, -1, 0, status="stopped", at=at)


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_is_judged_once(connection: Connection):
    request_id = _file(connection, 1, verified=False)
    appeals.judge_request(connection, request_id, verified=False, by="officer", at=NOW, reason="a prank")
    found = appeals.request(connection, request_id)
    assert (found.status, found.judged_by, found.reason) == ("rejected", "officer", "a prank")
    with pytest.raises(Refused, match="already rejected"):
        appeals.judge_request(connection, request_id, verified=True, by="another", at=NOW)


def test_an_unknown_request_says_how_to_find_them(connection: Connection):
    with pytest.raises(NotFound, match="muster request list"):
        appeals.judge_request(connection, "r-2011-9999", verified=True, by="officer", at=NOW)


def test_the_newest_request_comes_first(connection: Connection):
    _file(connection, 1)
    _file(connection, 2)
    assert [row.request_id for row in appeals.requests(connection)] == ["r-2011-0002", "r-2011-0001"]


# --- launches -------------------------------------------------------------------------------------------------------


def test_only_a_verified_request_is_launched(connection: Connection):
    filed = _file(connection, 1, verified=False)
    with pytest.raises(Refused, match="not verified"):
        _launch(connection, 1, request_id=filed)
    appeals.judge_request(connection, filed, verified=False, by="officer", at=NOW)
    with pytest.raises(Refused, match=r"is rejected: .*file it again"):
        _launch(connection, 1, request_id=filed)
    with pytest.raises(NotFound):
        _launch(connection, 1, request_id="r-2011-9999")
    assert appeals.appeals(connection) == []


def test_a_second_launch_is_refused(connection: Connection):
    _launch(connection, 1)
    with pytest.raises(Refused, match="already launched"):
        _launch(connection, 2, request_id="r-2011-0001")
    assert appeals.request(connection, "r-2011-0001").status == "launched"
    assert appeals.status(connection, "a-2011-0001") == "open"
    assert appeals.status(connection, "a-2011-0002") is None


def test_of_many_launches_at_once_one_succeeds_and_no_slot_is_given_twice(database: Database):
    with database.transaction() as connection:
        same = _file(connection, 1)
        others = [_file(connection, number) for number in range(2, 8)]
    wanted = [(10 + n, same) for n in range(3)] + [(20 + n, other) for n, other in enumerate(others)]
    start = Barrier(len(wanted))

    def launch(wish: tuple[int, str]) -> int | None:
        start.wait(10)
        try:
            with database.transaction() as connection:
                return _launch(connection, wish[0], request_id=wish[1])
        except Refused:
            return None

    with ThreadPoolExecutor(len(wanted)) as pool:
        slots = list(pool.map(launch, wanted))
    assert sum(slot is not None for slot in slots[:3]) == 1
    given = [slot for slot in slots if slot is not None]
    assert len(given) == len(set(given)) == 7


# --- slots ----------------------------------------------------------------------------------------------------------


def test_open_appeals_have_slots_of_their_own(connection: Connection):
    assert [_launch(connection, number) for number in range(1, 100)] == list(range(1, 100))
    with pytest.raises(Refused, match="99 appeals are open"):
        _launch(connection, 100)
    _close(connection, 40, NOW)
    assert _launch(connection, 101) == 40


def test_a_slot_rests_as_long_as_possible_after_its_appeal_has_closed(connection: Connection):
    for number in range(1, 100):
        _launch(connection, number)
    for rank, number in enumerate((30, 10, 20)):  # the one launched first is not the one closed first
        _close(connection, number, NOW + rank * HOUR)
    assert [_launch(connection, number) for number in (101, 102, 103)] == [30, 10, 20]


def test_a_slot_that_nobody_has_had_goes_first(connection: Connection):
    _launch(connection, 1)
    _close(connection, 1, NOW)
    assert _launch(connection, 2) == 2


def test_a_slot_names_its_newest_appeal(connection: Connection):
    def named(slot: int) -> str | None:
        row = appeals.latest_in_slot(connection, slot)
        return row and row.appeal_id

    _launch(connection, 1)
    assert named(1) == "a-2011-0001"
    for number in range(2, 100):
        _launch(connection, number)
    _close(connection, 1, NOW)
    _launch(connection, 100)
    assert named(1) == "a-2011-0100"
    assert named(0) is None


# --- the decider's state --------------------------------------------------------------------------------------------


def test_a_new_appeal_has_no_state_yet(connection: Connection):
    _launch(connection, 1)
    assert appeals.load_state(connection, "a-2011-0001") == StoredState(None, -1)
    assert appeals.load_state(connection, "a-2011-0002") is None


def test_of_two_owners_one_writes(connection: Connection):
    _launch(connection, 1)
    assert _save(connection, 1, -1, 5)
    assert not _save(connection, 1, -1, 5, status="stopped")
    assert appeals.load_state(connection, "a-2011-0001") == StoredState('{"offset": 5}', 5)
    assert _save(connection, 1, 5, 8, status="paused")
    assert appeals.status(connection, "a-2011-0001") == "paused"


def test_two_owners_at_once_leave_one_input_applied_once(database: Database):
    with database.transaction() as connection:
        _launch(connection, 1)
    start = Barrier(6)

    def apply(_: int) -> bool:
        start.wait(10)
        with database.transaction() as connection:
            return _save(connection, 1, -1, 5)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(apply, range(6))) == [False] * 5 + [True]


def test_an_input_without_effect_moves_the_offset_alone(connection: Connection):
    _launch(connection, 1)
    assert appeals.save_state(
        connection,
        "a-2011-0001",
        was_applied=-1,
        offset=3,
        state=None,
        status=None,
        next_due=None,
        closed_at=None,
    )
    assert appeals.load_state(connection, "a-2011-0001") == StoredState(None, 3)
    assert appeals.status(connection, "a-2011-0001") == "open"


def test_an_appeal_closes_at_one_moment(connection: Connection):
    _launch(connection, 1)
    assert _save(connection, 1, -1, 0, status="filled", at=NOW + HOUR)
    assert _save(connection, 1, 0, 1, status="filled", at=NOW + 2 * HOUR)  # a late answer
    assert appeals.appeal(connection, "a-2011-0001").closed_at == NOW + HOUR


def test_open_appeals_are_woken_when_they_asked_for_it(connection: Connection):
    for number in (1, 2, 3):
        _launch(connection, number)
    _save(connection, 1, -1, 0)
    _save(connection, 2, -1, 0, status="paused")
    _save(connection, 3, -1, 0, status="stopped")
    assert sorted(appeals.waking(connection)) == [("a-2011-0001", NOW + HOUR), ("a-2011-0002", NOW + HOUR)]
    assert [row.appeal_id for row in appeals.appeals(connection, open_only=True)] == ["a-2011-0002", "a-2011-0001"]


def test_an_unknown_appeal_says_how_to_find_them(connection: Connection):
    with pytest.raises(NotFound, match="muster appeal list"):
        appeals.appeal(connection, "a-2011-0001")
