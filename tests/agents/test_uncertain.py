"""Who is uncertain: named by the ledger, settled by receipts, asked a second time at most once."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, delete, select, text, update

from agents.dispatch.batch import Batch, batch_of
from agents.dispatch.claims import Ask, Claimed, Opening, Turned
from agents.dispatch.entries import write_entries
from agents.dispatch.records import Finished
from agents.settling import settle
from decisions.appeals.state import AppealState
from muster import doubts
from registry import appeals, leases, ledger, outbox, receipts, replies, selections, uncertain
from registry.database import Database
from registry.leases import Lease
from registry.ledger import Claim, Fate, Range, Record
from registry.members import MEMBERS
from registry.outbox import OUTBOX
from registry.receipts import RawReceipt
from registry.replies import Received
from schemas.appeals import BatchRepeated, RepeatOutcome, SettledBatch, UncertainSettled
from schemas.dispatch import Draft, RepeatBatch
from schemas.reader import Message, read
from schemas.words import Answer, Channel, Language, MessageKind, Purpose
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import APPEAL, NIGHT, launch
from tests.registry.audience.people import Person, store

NOW = datetime(2011, 11, 24, 12, 5, tzinfo=UTC)
FIRST = f"{APPEAL}/1/0/1"  # the second batch of its shard: members 11 to 20
S, U = Fate.SENT, Fate.UNCERTAIN
FATES = (S, S, U, U, U, U, S, S, S, S)  # members 13, 14, 15 and 16 are uncertain
MASS = f"mass/{APPEAL}/1"
REPEAT = RepeatBatch(
    given_by="decider",
    appeal_id=APPEAL,
    wave=1,
    shard=0,
    batch=1,
    batch_size=10,
    purpose=Purpose.BLOOD,
    draft=Draft(
        kind=MessageKind.MASS,
        channel=Channel.SMS,
        texts={Language.CHINESE: "急需AB型血小板"},
        slot=7,
        not_after=NIGHT + timedelta(hours=4),
    ),
)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Twenty members were selected in batches of ten; a crash left four of the second batch uncertain."""
    with database.transaction() as opened:
        ids = store(opened, [Person()] * 20)
        assert ids == list(range(1, 21))
        open_appeal(opened, launch(batch_size=10))
        selections.fix(opened, APPEAL, 1, 0, np.array(ids))
        ledger.record(opened, [_record(FIRST, 0, FATES)], NIGHT)
        yield opened


def _set_status(connection: Connection, status: str) -> None:
    stored = appeals.load_state(connection, APPEAL)
    assert stored is not None
    state = AppealState(launch=launch(batch_size=10), launched_at=NIGHT, moment=NIGHT)
    assert appeals.save_state(
        connection,
        APPEAL,
        was_applied=stored.applied,
        offset=stored.applied + 1,
        state=state.model_dump_json(),
        status=status,
        next_due=None,
        closed_at=None,
    )


def _record(batch_id: str, first: int, fates: Sequence[Fate]) -> Record:
    ids = tuple(f"g{first + place}" if fate is S else "" for place, fate in enumerate(fates))
    return Record(Range(batch_id, first, first + len(fates)), APPEAL, 1, bytes(fates), ids)


def _receipt(member_id: int, state: str = "DELIVRD", *, gateway_id: str = "lost", reference: str = MASS) -> RawReceipt:
    return RawReceipt(gateway_id, state, "", f"+86179{member_id:08d}", reference)


def _told(connection: Connection) -> list[Message]:
    """What waits for the relay; it is taken out."""
    values = connection.execute(select(OUTBOX.c.value).order_by(OUTBOX.c.position)).scalars().all()
    connection.execute(delete(OUTBOX))
    return [read(value) for value in values]


def _uncertain(connection: Connection) -> list[int]:
    return doubts.read(connection, APPEAL).waves.get(1, [])


# --- named ----------------------------------------------------------------------------------------------------------


def test_they_are_named_member_by_member(connection: Connection):
    assert _uncertain(connection) == [13, 14, 15, 16]
    assert doubts.read(connection, APPEAL).as_json() == {
        "appeal_id": APPEAL,
        "uncertain": [{"member_id": member, "wave": 1} for member in (13, 14, 15, 16)],
    }


def test_a_late_record_that_knows_more_names_them_no_longer(connection: Connection):
    ledger.record(connection, [_record(FIRST, 0, (S,) * 10)], NOW)
    assert _uncertain(connection) == []


def test_messages_outside_any_wave_are_not_counted_among_them(connection: Connection):
    kind_word = Record(Range(f"{APPEAL}/stand-down/7", 0, 1), APPEAL, 0, bytes([U]), ("",))
    ledger.record(connection, [kind_word], NOW)
    assert _uncertain(connection) == [13, 14, 15, 16]
    assert uncertain.waves(connection, NIGHT) == {(APPEAL, 1)}
    assert uncertain.waves(connection, NOW) == set()


def test_finding_them_does_not_read_all_records(connection: Connection):
    if connection.dialect.name == "sqlite":
        query = "SELECT batch_id, fates FROM records WHERE instr(fates, x'03') > 0 AND appeal_id = 'a' AND wave > 0"
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
        assert "ix_records_uncertain" in str(plan)
    else:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = r"SELECT batch_id, fates FROM records WHERE position('\x03'::bytea in fates) > 0 AND wave > 0"
        assert "ix_records_uncertain" in str(connection.execute(text(f"EXPLAIN {query}")).all())


# --- settled by receipts --------------------------------------------------------------------------------------------


def test_a_receipt_without_a_known_id_settles_by_number_and_reference(connection: Connection):
    came, nowhere = _receipt(13), _receipt(15, "UNDELIV")
    used, outcomes = settle(connection, [came, nowhere], NOW)
    assert used == {came, nowhere}
    assert sorted(outcomes.items()) == [(1, 1), (2, 1)]
    assert _uncertain(connection) == [14, 16]
    (report,) = _told(connection)
    assert report == UncertainSettled(
        appeal_id=APPEAL, wave=1, batches=(SettledBatch(shard=0, batch=1, delivered=1, failed=1),)
    )


@pytest.mark.parametrize(
    "receipt",
    [
        _receipt(12),  # recorded as sent: its own receipt has another id
        _receipt(3),  # a batch without anybody uncertain
        _receipt(99),  # nobody's number
        _receipt(13, reference=f"mass/{APPEAL}/2"),
        _receipt(13, reference=f"ack/{APPEAL}/0"),
        _receipt(13, reference="mass/a-20111124-0002/1"),
        _receipt(13, reference=""),
    ],
)
def test_a_receipt_about_somebody_else_settles_nobody(connection: Connection, receipt: RawReceipt):
    assert settle(connection, [receipt], NOW) == (set(), {})
    assert _uncertain(connection) == [13, 14, 15, 16]
    assert _told(connection) == []


def test_a_receipt_that_comes_twice_settles_once(connection: Connection):
    settle(connection, [_receipt(13)], NOW)
    _told(connection)
    again = _receipt(13, gateway_id="second part")
    used, outcomes = settle(connection, [again], NOW)
    assert used == {again}, "it waits for nothing"
    assert not outcomes
    assert _told(connection) == []


def test_everybody_who_is_uncertain_under_a_shared_number_is_settled(connection: Connection):
    shared = update(MEMBERS).where(MEMBERS.c.id.in_([14, 15]))
    connection.execute(shared.values(mobile="+8617900000014", mobile_shared=True))
    settle(connection, [_receipt(14)], NOW)
    assert _uncertain(connection) == [13, 16]


def test_a_receipt_by_its_gateway_id_settles_too(connection: Connection):
    receipts.put_states(connection, [(FIRST, APPEAL, 1, bytes([0, 0, 0, 1]))])
    assert _uncertain(connection) == [13, 15, 16]


# --- asked a second time --------------------------------------------------------------------------------------------


def _repeat(connection: Connection, *, owner: str = "worker") -> tuple[Batch, list[int], Lease]:
    """The second attempt, as a worker takes it up: who is meant."""
    batch = batch_of(REPEAT, "dispatch-bulk/0")
    lease = leases.acquire(connection, batch.lease, owner, seconds=30)
    assert lease is not None
    return batch, [11 + position for position in uncertain.fix_repeat(connection, FIRST)], lease


def _open(connection: Connection, batch: Batch, size: int, lease: Lease) -> list[tuple[int, int]] | Turned:
    (gaps,) = write_entries(connection, [Opening(batch, size, lease, frozenset())], NOW)
    return gaps


def _claim(connection: Connection, batch: Batch, members: list[int], lease: Lease) -> Claimed:
    (claimed,) = write_entries(connection, [Ask(batch, Range(batch.id, 0, len(members)), members, lease, "token")], NOW)
    assert isinstance(claimed, Claimed)
    return claimed


def _asked(claimed: Claimed, members: list[int]) -> list[int]:
    """Whose fate is still open: they are about to get a message."""
    return [member for member, fate in zip(members, claimed.fates, strict=True) if not fate]


def _finish(connection: Connection, batch: Batch, lease: Lease, fates: Sequence[Fate]) -> list[Message]:
    record = _record(batch.id, 0, fates)
    write_entries(connection, [Finished(batch, record, lease, "token", len(fates), final=True, whole=True)], NOW)
    return _told(connection)


def test_a_second_attempt_is_a_batch_of_its_own_under_the_same_reference(connection: Connection):
    batch, members, lease = _repeat(connection)
    assert members == [13, 14, 15, 16]
    assert (batch.id, batch.reference, batch.mass) == (f"again/{FIRST}", MASS, True)
    assert _open(connection, batch, 4, lease) == [(0, 4)]
    assert _asked(_claim(connection, batch, members, lease), members) == members
    (told,) = _finish(connection, batch, lease, (S, S, U, Fate.REFUSED))
    outcome = RepeatOutcome(shard=0, batch=1, sent=2, uncertain=1, refused=1, messages=2)
    assert told == BatchRepeated(appeal_id=APPEAL, wave=1, batches=(outcome,))
    assert _uncertain(connection) == [15, 16]
    assert _open(connection, batch, 4, lease) == [], "there is no third one"


def test_whom_it_means_is_fixed_once(connection: Connection):
    _, members, _ = _repeat(connection)
    settle(connection, [_receipt(13)], NOW)
    assert _repeat(connection)[1] == members == [13, 14, 15, 16]


def test_it_means_them_wherever_they_stand_in_a_large_batch(connection: Connection):
    ledger.record(connection, [_record(FIRST, 0, [S] * 700 + [U] + [S] * 323)], NOW)
    assert uncertain.fix_repeat(connection, FIRST) == (700,)
    assert uncertain.repeat_sizes(connection, APPEAL) == {f"again/{FIRST}": 1}


def test_who_is_known_by_then_is_spared(connection: Connection):
    batch, members, lease = _repeat(connection)
    settle(connection, [_receipt(13)], NOW)
    ledger.record(connection, [_record(FIRST, 0, (S, S, U, S, U, U, S, S, S, S))], NOW)  # 14 was sent after all
    replies.put_answers(connection, [replies.Answered(APPEAL, 15, Answer.NO, Channel.HOTLINE, NOW, "m-1")])
    claimed = _claim(connection, batch, members, lease)
    assert list(claimed.fates) == [Fate.SPARED, Fate.SPARED, Fate.SPARED, 0]
    assert _asked(claimed, members) == [16]


def test_who_has_written_something_that_nobody_has_read_yet_is_spared(connection: Connection):
    batch, members, lease = _repeat(connection)
    for number, (member, at, appeal) in enumerate(
        [(13, NOW, None), (14, NIGHT - timedelta(days=1), None), (15, NOW, "a-20111124-0002")]
    ):
        replies.store(
            connection,
            [
                Received(
                    reply_id=f"m-{number}",
                    received_at=at,
                    channel="sms",
                    address=f"+86179{member:08d}",
                    sent_to="",
                    member_id=member,
                    appeal_id=appeal,
                    words="?",
                )
            ],
        )
    assert _asked(_claim(connection, batch, members, lease), members) == [14, 15, 16]


def test_who_has_opted_out_is_not_asked(connection: Connection):
    batch, members, lease = _repeat(connection)
    connection.execute(update(MEMBERS).where(MEMBERS.c.id == 13).values(opt_outs=-1))
    claimed = _claim(connection, batch, members, lease)
    assert claimed.fates[0] == Fate.OPTED_OUT
    assert _asked(claimed, members) == [14, 15, 16]


def test_a_closed_appeal_asks_nobody(connection: Connection):
    batch, members, lease = _repeat(connection)
    _set_status(connection, "filled")
    span = Range(batch.id, 0, len(members))
    assert write_entries(connection, [Ask(batch, span, members, lease, "token")], NOW) == [Turned.CLOSED]


def test_an_attempt_that_finds_nobody_left_is_told(connection: Connection):
    settle(connection, [_receipt(member) for member in (13, 14, 15, 16)], NOW)
    _told(connection)
    batch, members, lease = _repeat(connection)
    assert members == []
    assert _open(connection, batch, 0, lease) == []
    (told,) = _told(connection)
    assert told == BatchRepeated(appeal_id=APPEAL, wave=1, batches=(RepeatOutcome(shard=0, batch=1),))


def test_a_crash_in_the_second_attempt_leaves_them_uncertain_and_asks_no_third_time(connection: Connection):
    batch, members, lease = _repeat(connection)
    span = Range(batch.id, 0, 2)
    ledger.claim(connection, [Claim(span, APPEAL, 1, lease.owner, lease.epoch, "dead")], NOW)
    leases.release(connection, lease)
    batch, members, lease = _repeat(connection, owner="successor")
    assert _open(connection, batch, len(members), lease) == [(2, 4)]
    assert ledger.records_of(connection, batch.id)[0].fates == bytes([U, U])
    assert _uncertain(connection) == [13, 14, 15, 16]
    came = _receipt(13)
    assert settle(connection, [came], NOW)[0] == {came}
    assert _uncertain(connection) == [14, 15, 16]


def test_a_receipt_of_the_first_attempt_says_nothing_of_who_got_a_second(connection: Connection):
    batch, members, lease = _repeat(connection)
    _claim(connection, batch, members, lease)
    _finish(connection, batch, lease, (S, S, S, S))
    assert settle(connection, [_receipt(13)], NOW) == (set(), {})
    assert outbox.waiting(connection, 10) == []
