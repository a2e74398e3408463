"""What a restored backup is told: whatever nobody can know is read as "may have been asked"."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from agents.dispatch.batch import batch_of
from agents.dispatch.claims import Opening
from agents.dispatch.entries import write_entries
from agents.restoring import Restored, Restoring, doubted, take_stock
from muster import doubts
from registry import appeals, leases, ledger, outbox, selections, uncertain
from registry.database import Database
from registry.errors import Refused
from registry.ledger import Claim, Fate, Orphan, Range, Record, Standing
from registry.ledger_copy import Claimed, Remembered, Repeated, Selected
from registry.migrate import create_or_check
from schemas.appeals import BatchSent, PauseAppeal
from schemas.dispatch import Draft, SendBatch, SendingPaused
from schemas.reader import read
from schemas.words import Channel, Language, MessageKind, Policy, Purpose
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import APPEAL, NIGHT, launch
from tests.registry.audience.people import Person, store

NOW = NIGHT + timedelta(minutes=5)
SIZE = 10
FIRST, SECOND = f"{APPEAL}/1/0/0", f"{APPEAL}/1/0/1"
CASES = [
    ("nothing is known and there is no copy", Standing(), None, [(0, 10)]),
    ("nothing is known, and nobody claimed it", Standing(), [], []),
    ("a part was claimed since", Standing(), [(2, 5)], [(2, 5)]),
    ("claimed twice: taken back once", Standing(), [(0, 4), (0, 6), (8, 10)], [(0, 6), (8, 10)]),
    ("what has a record is known", Standing(((0, 6),)), [(0, 6), (6, 8)], [(6, 8)]),
    ("a claim without a record", Standing(((0, 6),), (Orphan(Range(FIRST, 0, 6), "w", 1, "t"),)), [(0, 6)], [(0, 6)]),
    ("all is recorded", Standing(((0, 10),)), None, []),
]


@pytest.mark.parametrize(("known", "claims", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_who_may_have_been_asked(known: Standing, claims: Sequence[tuple[int, int]] | None, expected: list):
    lines = None if claims is None else [_claimed(FIRST, *span) for span in claims]
    assert doubted(known, SIZE, lines) == expected


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Twenty members in two batches of ten: the first four have got their message, six more are claimed."""
    url = f"sqlite:///{tmp_path}/muster.db"
    create_or_check(url, migrate=False)
    with Database(url) as database, database.transaction() as opened:
        ids = store(opened, [Person()] * 20)
        open_appeal(opened, launch(batch_size=SIZE, shards=1))
        selections.fix(opened, APPEAL, 1, 0, np.array(ids))
        claims = [_claim(FIRST, 0, 4, "t1"), _claim(FIRST, 4, 10, "t2")]
        ledger.claim(opened, claims[:1], NIGHT)
        ledger.claim(opened, claims[1:], NOW)
        ledger.record(opened, [Record(Range(FIRST, 0, 4), APPEAL, 1, bytes([Fate.SENT]) * 4, ("g",) * 4)], NIGHT)
        yield opened


def _claim(batch: str, first: int, last: int, token: str) -> Claim:
    return Claim(Range(batch, first, last), APPEAL, 1, "worker", 1, token)


def _claimed(batch: str, first: int, last: int) -> Claimed:
    return Claimed(batch, first, last, APPEAL, 1)


def _copy(*more: Claimed, **others: tuple) -> Remembered:
    claims: dict[str, list[Claimed]] = {}
    for line in (_claimed(FIRST, 0, 4), _claimed(FIRST, 4, 10), *more):
        claims.setdefault(line.batch_id, []).append(line)
    return Remembered(claims, **others)


def _restore(connection: Connection, copy: Remembered | None, *, after: timedelta = timedelta(minutes=5)) -> Restored:
    ids = count()
    return take_stock(connection, copy, Restoring("officer", NIGHT + after, 1, SIZE, lambda: f"id-{next(ids)}"))


def _named(connection: Connection, wave: int = 1) -> list[int]:
    return doubts.read(connection, APPEAL).waves.get(wave, [])


def test_without_a_copy_everybody_without_a_record_is_named(connection: Connection):
    (back,) = _restore(connection, None).appeals
    assert (back.invited, back.uncertain, back.to_ask, back.given_up) == (20, 16, 0, ())
    assert _named(connection) == list(range(5, 21))


def test_with_a_copy_those_are_named_who_were_claimed(connection: Connection):
    (back,) = _restore(connection, _copy(_claimed(SECOND, 0, 3))).appeals
    assert (back.invited, back.uncertain, back.to_ask) == (20, 9, 7)
    assert _named(connection) == list(range(5, 14))


def test_a_batch_that_is_over_is_told_when_the_decider_releases_it_and_only_once(connection: Connection):
    _restore(connection, None)
    _told(connection)
    lease = leases.acquire(connection, "dispatch-bulk/0", "successor", seconds=30)
    assert lease is not None
    openings = [Opening(batch_of(_order(batch), "dispatch-bulk/0"), SIZE, lease, frozenset()) for batch in (0, 1)]
    assert write_entries(connection, openings, NOW) == [[], []]
    (sent,) = _told(connection)
    assert isinstance(sent, BatchSent)
    assert [(outcome.batch, outcome.sent, outcome.uncertain) for outcome in sent.batches] == [(0, 4, 6), (1, 0, 10)]
    write_entries(connection, openings, NOW)
    assert _told(connection) == []


def test_a_wave_that_may_have_opened_since_asks_nobody_and_is_said(connection: Connection):
    (back,) = _restore(connection, None, after=timedelta(minutes=46)).appeals
    assert back.given_up == (2,)
    assert selections.sizes(connection, APPEAL) == {(1, 0): 20, (2, 0): 0}


def test_a_copy_knows_whom_a_later_wave_selected(connection: Connection):
    later = f"{APPEAL}/2/0/0"
    chosen = Selected(APPEAL, 2, 0, np.array([3, 1, 2], "<i8").tobytes())
    copy = _copy(Claimed(later, 0, 2, APPEAL, 2), selections=(chosen,))
    (back,) = _restore(connection, copy, after=timedelta(minutes=46)).appeals
    assert (back.invited, back.given_up) == (23, ())
    assert _named(connection, 2) == [1, 3]


def test_a_second_attempt_that_may_have_been_made_since_is_not_made_again(connection: Connection):
    ledger.record(connection, [_all_uncertain(SECOND)], NIGHT)
    _restore(connection, None)
    (found,) = [item for item in uncertain.doubtful(connection, APPEAL) if item.batch_id == SECOND]
    assert found.repeated() == list(range(10))


def test_a_copy_knows_whom_a_second_attempt_meant(connection: Connection):
    again = f"again/{SECOND}"
    ledger.record(connection, [_all_uncertain(SECOND)], NIGHT)
    _restore(connection, _copy(_claimed(again, 0, 1), repeats=(Repeated(again, uncertain.packed([4, 6])),)))
    (found,) = [item for item in uncertain.doubtful(connection, APPEAL) if item.batch_id == SECOND]
    assert found.repeated() == [4]


def test_answers_that_had_left_are_not_given_twice(connection: Connection):
    restored = _restore(connection, _copy(Claimed("ack/r-1", 0, 1, "", 0)))
    assert restored.answers == 1
    assert [record.fates for record in ledger.records_of(connection, "ack/r-1")] == [bytes([Fate.UNCERTAIN])]


def test_an_appeal_that_was_launched_later_is_said(connection: Connection):
    unknown = Selected("a-20111124-0002", 1, 0, bytes(8 * 5))
    assert _restore(connection, _copy(selections=(unknown,))).forgotten == {"a-20111124-0002": 5}


def test_a_copy_that_does_not_know_what_the_backup_knows_is_refused(connection: Connection):
    with pytest.raises(Refused, match="--without-copy"):
        _restore(connection, Remembered({FIRST: [_claimed(FIRST, 0, 4)]}))


def test_an_open_appeal_comes_back_paused(connection: Connection):
    (pause,) = _restore(connection, None).pauses
    assert (pause.topic, read(pause.value)) == ("controls", SendingPaused(appeal_id=APPEAL, decided_at=NOW))
    assert appeals.status(connection, APPEAL) == "paused"
    assert _told(connection) == [PauseAppeal(given_by="officer", appeal_id=APPEAL)]


def _all_uncertain(batch: str) -> Record:
    return Record(Range(batch, 0, SIZE), APPEAL, 1, bytes([Fate.UNCERTAIN]) * SIZE, ("",) * SIZE)


def _order(batch: int) -> SendBatch:
    texts = {Language.CHINESE: "急需AB型血小板"}
    return SendBatch(
        given_by="decider",
        appeal_id=APPEAL,
        wave=1,
        shard=0,
        batch=batch,
        batch_size=SIZE,
        policy=Policy.RATHER_MISS,
        purpose=Purpose.BLOOD,
        draft=Draft(
            kind=MessageKind.MASS, channel=Channel.SMS, texts=texts, slot=7, not_after=NIGHT + timedelta(hours=4)
        ),
    )


def _told(connection: Connection) -> list:
    rows = outbox.waiting(connection, 100)
    outbox.published(connection, [position for position, _ in rows])
    return [read(message.value) for _, message in rows]
