"""The ledger: who claimed which positions, and what became of them."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from registry import ledger
from registry.database import Database
from registry.ledger import UNTOUCHED, Claim, Fate, Orphan, Range, Record, Standing
from tests.registry.tables.waiting import wait_for_a_blocked_session

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"
BATCH = f"{APPEAL}/1/3/0"
SENT, UNCERTAIN = Fate.SENT, Fate.UNCERTAIN


def _claim(
    connection: Connection, first: int, last: int, *, token: str = "t", batch: str = BATCH, epoch: int = 1
) -> Range:
    span = Range(batch, first, last)
    ledger.claim(connection, [Claim(span, APPEAL, 1, "one", epoch, token)], NOW)
    return span


def _tell(connection: Connection, first: str, second: str) -> set[str]:
    """Claim 0 to 10 and 10 to 20 under these tokens; those that could not be written."""
    spans = (Range(BATCH, 0, 10), Range(BATCH, 10, 20))
    claims = [Claim(span, APPEAL, 1, "one", 1, token) for span, token in zip(spans, (first, second), strict=True)]
    return ledger.claim(connection, claims, NOW)


def _of(
    first: int, fates: list[Fate], *, batch: str = BATCH, wave: int = 1, ids: tuple[str, ...] | None = None
) -> Record:
    return Record(
        Range(batch, first, first + len(fates)), APPEAL, wave, bytes(fates), ids or tuple(f"g{n}" for n in fates)
    )


def _standing(connection: Connection) -> Standing:
    return ledger.standing(connection, [BATCH]).get(BATCH, UNTOUCHED)


def _record(connection: Connection, *records: Record) -> None:
    ledger.record(connection, records, NOW)


# --- claims ---------------------------------------------------------------------------------------------------------


def test_what_nobody_has_touched_is_one_gap(connection: Connection):
    assert _standing(connection).gaps(256) == [(0, 256)]
    assert _standing(connection).gaps(0) == []


def test_gaps_lie_between_claims_and_records(connection: Connection):
    _claim(connection, 10, 20)
    _record(connection, _of(30, [SENT] * 5))
    other = f"{BATCH}0"
    _claim(connection, 35, 40, batch=other)
    assert _standing(connection).gaps(50) == [(0, 10), (20, 30), (35, 50)]
    assert ledger.standing(connection, [BATCH, other, "c"])[other].gaps(50) == [(0, 35), (40, 50)]


@settings(derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 59)), touched=st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_gaps_are_exactly_what_is_left(sqlite_database: Database, cuts: set[int], touched: list[int]):
    edges = [0, *sorted(cuts), 60]
    free = set(range(60))
    with sqlite_database.engine.connect() as connection:
        for (first, last), what in zip(itertools.pairwise(edges), touched, strict=False):
            if what & 1:
                _claim(connection, first, last)
            if what & 2:
                _record(connection, _of(first, [SENT] * (last - first)))
            if what:
                free -= set(range(first, last))
        gaps = _standing(connection).gaps(60)
        connection.rollback()
    assert {position for first, last in gaps for position in range(first, last)} == free
    assert all(first < last for first, last in gaps)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(gaps))


def test_the_same_positions_are_never_claimed_twice(database: Database):
    with database.transaction() as connection:
        _claim(connection, 0, 10, token="one")
    with database.transaction() as connection:
        assert _tell(connection, "two", "three") == {"two"}
    with database.transaction() as connection:
        assert [orphan.token for orphan in _standing(connection).orphans] == ["one", "three"]


def test_a_claim_whose_commit_got_no_answer_is_found_by_its_token_when_it_is_made_again(database: Database):
    for _ in range(2):
        with database.transaction() as connection:
            assert _tell(connection, "one", "three") == set()
    with database.transaction() as connection:
        assert [orphan.token for orphan in _standing(connection).orphans] == ["one", "three"]


def test_an_orphan_is_a_claim_without_a_record(connection: Connection):
    _claim(connection, 0, 10, token="one", epoch=4)
    _claim(connection, 10, 20, token="two")
    _record(connection, _of(10, [SENT] * 10))
    assert _standing(connection).orphans == (Orphan(Range(BATCH, 0, 10), "one", 4, "one"),)
    _record(connection, _of(0, [UNCERTAIN] * 10))
    assert _standing(connection).orphans == ()


def test_a_claim_of_which_nothing_was_sent_is_taken_back(connection: Connection):
    span = _claim(connection, 0, 10, token="mine")
    assert ledger.unclaim(connection, span, "mine")
    assert _standing(connection).gaps(10) == [(0, 10)]
    assert not ledger.unclaim(connection, span, "mine")


def test_another_owners_claim_is_not_taken_back(connection: Connection):
    span = _claim(connection, 0, 10, token="theirs")
    assert not ledger.unclaim(connection, span, "mine")
    assert len(_standing(connection).orphans) == 1


def test_a_claim_that_a_successor_has_settled_is_not_taken_back(connection: Connection):
    span = _claim(connection, 0, 10, token="mine")
    _record(connection, _of(0, [UNCERTAIN] * 10))
    assert not ledger.unclaim(connection, span, "mine")
    assert _standing(connection).gaps(10) == []


# --- shared numbers -------------------------------------------------------------------------------------------------


def test_a_shared_number_is_asked_once_in_a_wave(connection: Connection):
    assert ledger.ask_shared(connection, APPEAL, 1, {"+861": 1, "+862": 2}) == {"+861", "+862"}
    assert ledger.ask_shared(connection, APPEAL, 1, {"+861": 7, "+863": 3}) == {"+863"}
    assert ledger.ask_shared(connection, APPEAL, 2, {"+861": 7}) == {"+861"}
    assert ledger.ask_shared(connection, "a-another", 1, {"+861": 7}) == {"+861"}
    assert ledger.ask_shared(connection, APPEAL, 1, {}) == set()


def test_a_claim_that_was_taken_back_does_not_lose_the_shared_number(connection: Connection):
    ledger.ask_shared(connection, APPEAL, 1, {"+861": 1})
    assert ledger.ask_shared(connection, APPEAL, 1, {"+861": 1}) == {"+861"}
    assert ledger.ask_shared(connection, APPEAL, 1, {"+861": 2}) == set()


# --- records --------------------------------------------------------------------------------------------------------


def test_records_of_a_batch_come_in_the_order_of_positions(connection: Connection):
    late, early = _of(10, [SENT, Fate.REFUSED], ids=("g1", "")), _of(0, [SENT] * 10)
    _record(connection, late, early)
    _record(connection)
    assert ledger.records_of(connection, BATCH) == [early, late]


def test_a_late_record_replaces_uncertain(connection: Connection):
    _claim(connection, 0, 3)
    _record(connection, _of(0, [UNCERTAIN] * 3, ids=("", "", "")))
    knows = _of(0, [SENT, SENT, UNCERTAIN], ids=("g1", "g2", ""))
    _record(connection, knows)
    assert ledger.records_of(connection, BATCH) == [knows]


def test_uncertain_never_replaces_what_is_known(connection: Connection):
    knows = _of(0, [SENT, SENT, UNCERTAIN], ids=("g1", "g2", ""))
    _record(connection, knows)
    _record(connection, _of(0, [UNCERTAIN] * 3, ids=("", "", "")), _of(3, [UNCERTAIN], ids=("",)))
    assert ledger.records_of(connection, BATCH) == [knows, _of(3, [UNCERTAIN], ids=("",))]


def test_whoever_follows_the_records_sees_a_late_one_again(connection: Connection):
    other = _of(0, [SENT], batch="b")
    _record(connection, _of(0, [UNCERTAIN]), other)
    seen = ledger.records_after(connection, 0, 100, NOW)
    assert [record.fates for _, record in seen] == [bytes([SENT]), bytes([UNCERTAIN])]  # what is known goes first
    late = _of(0, [SENT])
    _record(connection, late)
    assert [record for _, record in ledger.records_after(connection, seen[-1][0], 100, NOW)] == [late]
    _record(connection, _of(0, [SENT], batch="c"))
    numbers = [number for number, _ in ledger.records_after(connection, 0, 100, NOW)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3


def test_records_are_read_in_portions(connection: Connection):
    _record(connection, *(_of(n, [SENT]) for n in range(5)))
    first = ledger.records_after(connection, 0, 3, NOW)
    rest = ledger.records_after(connection, first[-1][0], 3, NOW)
    assert [record.range.first for _, record in (*first, *rest)] == [0, 1, 2, 3, 4]
    assert ledger.records_after(connection, 0, 3, NOW + timedelta(seconds=1)) == []


@pytest.mark.postgres
def test_a_smaller_number_never_appears_after_a_larger_one(postgres_database: Database):
    def write_second() -> None:
        with postgres_database.transaction() as connection:
            _record(connection, _of(1, [SENT]))

    with ThreadPoolExecutor(1) as pool:
        with postgres_database.transaction() as first:
            _record(first, _of(0, [SENT]))
            second = pool.submit(write_second)
            wait_for_a_blocked_session(postgres_database)
            with postgres_database.snapshot() as reader:
                assert ledger.records_after(reader, 0, 10, NOW) == []
        second.result(10)
    with postgres_database.snapshot() as reader:
        assert [record.range.first for _, record in ledger.records_after(reader, 0, 10, NOW)] == [0, 1]


def test_fates_add_up_over_batches_and_waves(connection: Connection):
    _record(
        connection,
        _of(0, [SENT, SENT, Fate.REFUSED]),
        _of(3, [Fate.WITHDRAWN, Fate.SHARED]),
        _of(0, [SENT, Fate.OPTED_OUT], batch="b", wave=2),
        _of(0, [SENT], batch="ack", wave=0),  # an answer to a reply is no mass message
        Record(Range("c", 0, 1), "a-another", 1, bytes([SENT]), ("",)),
    )
    assert ledger.fates(connection, APPEAL) == {
        Fate.SENT: 3,
        Fate.REFUSED: 1,
        Fate.WITHDRAWN: 1,
        Fate.SHARED: 1,
        Fate.OPTED_OUT: 1,
    }
    assert ledger.fates(connection, APPEAL, 2) == {Fate.SENT: 1, Fate.OPTED_OUT: 1}
    assert ledger.fates(connection, APPEAL, 0) == {Fate.SENT: 1}
    assert ledger.fates(connection, "a-nobody") == {}
