"""Who is uncertain, and whether they are asked a second time, as the officer chose at launch."""

from datetime import timedelta

from decisions.appeals.state import next_due
from schemas.appeals import PauseAppeal, RepeatOrdered, ResumeAppeal, StopAppeal
from schemas.dispatch import RepeatBatch, SendBatch
from schemas.reader import Message
from schemas.spec import WaveSpec
from schemas.words import MessageKind, Policy
from tests.decisions.appeals.samples import (
    APPEAL,
    MINUTE,
    NIGHT,
    Night,
    counted,
    in_doubt,
    launch,
    repeated,
    selected,
    sent,
    settled,
)

PAUSE = PauseAppeal(given_by="officer", appeal_id=APPEAL)
RESUME = ResumeAppeal(given_by="officer", appeal_id=APPEAL)
STOP = StopAppeal(given_by="officer", appeal_id=APPEAL)


def _asked(policy: Policy = Policy.RATHER_REPEAT, *, release_ahead: int = 100, members: int = 20) -> Night:
    """One wave in two shards; all of it that has room is released."""
    night = Night(launch(waves=[WaveSpec()], policy=policy, repeat_after=5 * MINUTE, release_ahead=release_ahead))
    night.hear(counted(0, members), counted(1, 0), selected(0, members), selected(1, 0))
    return night


def _repeats(orders: list[Message]) -> list[tuple[int, int, int]]:
    return [(order.wave, order.shard, order.batch) for order in orders if isinstance(order, RepeatBatch)]


def test_under_rather_miss_nobody_is_asked_twice():
    night = _asked(Policy.RATHER_MISS)
    assert night.hear(in_doubt(0, 0, 3), sent(0, 1)) == []
    assert _repeats(night.wait(timedelta(hours=4))) == []


def test_under_rather_repeat_they_are_asked_once_more_when_receipts_have_had_their_time():
    night = _asked()
    assert night.hear(in_doubt(0, 0, 3), sent(0, 1)) == []
    assert next_due(night.state) == NIGHT + 5 * MINUTE
    assert night.wait(5 * MINUTE - timedelta(seconds=1)) == []
    told, order = night.wait(timedelta(seconds=1))
    assert told == RepeatOrdered(appeal_id=APPEAL, wave=1, batches=1, members=3)
    assert isinstance(order, RepeatBatch)
    assert (order.wave, order.shard, order.batch, order.batch_size) == (1, 0, 0, 10)
    assert night.hear(repeated(0, 0, sent=3)) == []
    assert _repeats(night.wait(timedelta(hours=4))) == []


def test_a_repeat_says_the_same_under_the_same_reference():
    night = Night(launch(waves=[WaveSpec()], policy=Policy.RATHER_REPEAT))
    orders = night.hear(counted(0, 5), counted(1, 0), selected(0, 5), selected(1, 0))
    (first,) = [order for order in orders if isinstance(order, SendBatch)]
    night.hear(in_doubt(0, 0, 3))
    (again,) = [order for order in night.wait(5 * MINUTE) if isinstance(order, RepeatBatch)]
    assert again.draft == first.draft
    assert again.draft.kind is MessageKind.MASS


def test_whom_receipts_have_settled_is_not_asked_again():
    night = _asked()
    night.hear(in_doubt(0, 0, 3), in_doubt(0, 1, 2), settled(0, 0, delivered=2, failed=1), settled(0, 1, delivered=1))
    told, order = night.wait(5 * MINUTE)
    assert told == RepeatOrdered(appeal_id=APPEAL, wave=1, batches=1, members=1)
    assert _repeats([order]) == [(1, 0, 1)]


def test_a_report_that_comes_twice_leads_to_one_repeat():
    night = _asked()
    night.hear(in_doubt(0, 0, 3), in_doubt(0, 0, 3))
    assert _repeats(night.wait(5 * MINUTE)) == [(1, 0, 0)]
    night.hear(in_doubt(0, 0, 3), repeated(0, 0, sent=3), in_doubt(0, 0, 3), repeated(0, 0, sent=3))
    assert _repeats(night.wait(timedelta(hours=4))) == []


def test_who_is_uncertain_again_is_asked_no_third_time():
    night = _asked()
    night.hear(in_doubt(0, 0, 3))
    night.wait(5 * MINUTE)
    night.hear(repeated(0, 0, sent=1))
    assert _repeats(night.wait(timedelta(hours=4))) == []


def test_a_paused_appeal_repeats_nothing_until_it_is_resumed():
    night = _asked()
    night.hear(in_doubt(0, 0, 3), PAUSE)
    assert _repeats(night.wait(30 * MINUTE)) == []
    assert _repeats(night.hear(RESUME)) == [(1, 0, 0)]


def test_a_closed_appeal_repeats_nothing():
    night = _asked()
    night.hear(in_doubt(0, 0, 3), STOP)
    assert night.wait(timedelta(hours=4)) == []
    assert next_due(night.state) is None


def test_repeats_wait_for_room_and_go_first():
    night = _asked(release_ahead=20, members=40)
    night.hear(in_doubt(0, 0, 3))
    assert _repeats(night.wait(6 * MINUTE)) == [], "two batches are under way"
    assert _repeats(night.hear(sent(0, 1))) == [(1, 0, 0)]
    assert night.state.in_flight() == 20
    (release,) = night.hear(repeated(0, 0, sent=3))
    assert isinstance(release, SendBatch)
