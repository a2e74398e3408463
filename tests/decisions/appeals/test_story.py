"""The night of the story, told to the decider one message at a time."""

from datetime import timedelta
from typing import TypeVar

import pytest
from pydantic import ValidationError

from decisions.appeals.decide import STAND_DOWN_STAYS, advance
from decisions.appeals.state import Status, next_due
from schemas.appeals import (
    AppealExpired,
    AppealFilled,
    AppealLaunched,
    AppealPaused,
    AppealResumed,
    AppealStopped,
    MemberStoodDown,
    PauseAppeal,
    ResumeAppeal,
    StopAppeal,
    WaveOpened,
)
from schemas.audience import InviteShard, ScanShard
from schemas.dispatch import SendBatch, SendingPaused, SendingResumed, SendingStopped, TellMembers
from schemas.reader import Message
from schemas.spec import WaveSpec
from schemas.words import Answer, BloodKnown, Channel, MessageKind
from tests.decisions.appeals.samples import (
    APPEAL,
    MINUTE,
    NIGHT,
    Night,
    answered,
    counted,
    launch,
    screened,
    selected,
    sent,
    tick,
)

M = TypeVar("M", bound=Message)
PAUSE = PauseAppeal(given_by="officer", appeal_id=APPEAL)
RESUME = ResumeAppeal(given_by="officer", appeal_id=APPEAL)
STOP = StopAppeal(given_by="officer", appeal_id=APPEAL, reason="transferred")
LONG = timedelta(hours=4)


def _only(kind: type[M], orders: list[Message]) -> list[M]:
    return [order for order in orders if isinstance(order, kind)]


def _batches(orders: list[Message]) -> list[tuple[int, int, int]]:
    return [(order.wave, order.shard, order.batch) for order in _only(SendBatch, orders)]


def _asking(night: Night, *sizes: int, wave: int = 1) -> list[Message]:
    """The wave as far as its selections; what was ordered."""
    orders = night.hear(*(counted(shard, size, wave=wave) for shard, size in enumerate(sizes)))
    return orders + night.hear(*(selected(shard, size, wave=wave) for shard, size in enumerate(sizes)))


# --- the first wave -------------------------------------------------------------------------------------------------


def test_a_launch_asks_every_shard_at_once():
    night = Night()
    first, *scans = night.first_orders
    assert isinstance(first, AppealLaunched)
    assert [(scan.wave, scan.shard, scan.shards) for scan in _only(ScanShard, scans)] == [(1, 0, 2), (1, 1, 2)]
    assert {scan.criteria.blood_known for scan in _only(ScanShard, scans)} == {BloodKnown.KNOWN}
    assert len(scans) == 2


def test_a_second_launch_changes_nothing():
    night = Night()
    before = night.state
    assert night.hear(launch(need=99)) == []
    assert night.state == before


def test_nothing_is_known_before_the_launch():
    assert advance(None, answered(7), NIGHT) == (None, [])


def test_the_wave_opens_when_the_last_shard_has_counted():
    night = Night()
    assert night.hear(counted(0, 3, 4, excluded=10)) == []
    opened, *invitations = night.hear(counted(1, 5, excluded=1))
    assert opened == WaveOpened(appeal_id=APPEAL, wave=1, members=23, matched=12, invited=12, excluded={"blood": 11})
    assert [(order.shard, order.limit) for order in _only(InviteShard, invitations)] == [(0, 7), (1, 5)]


def test_a_size_takes_whole_score_bins_and_then_a_fair_share():
    night = Night(launch(waves=[WaveSpec(size=10)]))
    _, *invitations = night.hear(counted(0, 2, 30), counted(1, 0, 10))
    assert [order.limit for order in _only(InviteShard, invitations)] == [8, 2]


def test_a_shard_that_counts_twice_is_counted_once():
    night = Night()
    opened, *_ = night.hear(counted(0, 3), counted(0, 300), counted(1, 4))
    assert isinstance(opened, WaveOpened)
    assert (opened.members, opened.matched) == (7, 7)


def test_a_shard_that_selects_twice_has_the_first_selection():
    night = Night(launch(batch_size=10))
    night.hear(counted(0, 20), counted(1, 0), selected(0, 12))
    assert night.hear(selected(0, 20)) == []
    assert night.state.waves[0].shards[0].selected == 12


def test_a_batch_says_all_that_dispatch_must_know():
    night = Night(launch(batch_size=10))
    (batch,) = _only(SendBatch, _asking(night, 7, 0))
    assert (batch.batch, batch.batch_size, batch.drill) == (0, 10, False)
    assert batch.draft.kind is MessageKind.MASS
    assert batch.draft.texts == night.state.launch.spec.texts.mass
    assert (batch.draft.slot, batch.draft.not_after) == (7, night.state.launch.deadline)


# --- release --------------------------------------------------------------------------------------------------------


def test_batches_are_released_in_portions_shard_by_shard():
    night = Night(launch(batch_size=10, release_ahead=40))
    assert _batches(_asking(night, 35, 21)) == [(1, 0, 0), (1, 0, 1), (1, 0, 2), (1, 0, 3)]
    assert _batches(night.hear(sent(0, 0))) == [(1, 1, 0)]
    assert _batches(night.hear(sent(1, 0), sent(0, 2))) == [(1, 1, 1), (1, 1, 2)]
    assert night.hear(sent(0, 1, 3), sent(1, 1, 2)) == []


def test_the_shards_take_turns():
    night = Night(launch(batch_size=10, release_ahead=40))
    night.hear(counted(0, 35), counted(1, 21), selected(1, 21))
    assert _batches(night.hear(selected(0, 35))) == [(1, 0, 0)]  # shard 1 was ready first and had three places
    night = Night(launch(batch_size=10, release_ahead=10))
    released = _batches(_asking(night, 35, 21))
    while night.state.in_flight():
        _, shard, batch = released[-1]
        released += _batches(night.hear(sent(shard, batch)))
    assert released == [(1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (1, 0, 2), (1, 1, 2), (1, 0, 3)]


def test_a_report_that_comes_twice_makes_room_once():
    night = Night(launch(batch_size=10, release_ahead=10))
    _asking(night, 100, 0)
    assert len(night.hear(sent(0, 0))) == 1
    assert night.hear(sent(0, 0)) == []
    assert night.state.waves[0].tally.sent == 10


def test_a_report_about_a_batch_that_never_left_makes_no_room():
    night = Night(launch(batch_size=10, release_ahead=10))
    _asking(night, 100, 0)
    assert night.hear(sent(0, 5), sent(1, 0), sent(9, 0), sent(0, 0, wave=2), sent(0, 0, wave=0)) == []
    assert night.state.in_flight() == 10


def test_room_for_less_than_a_batch_is_refused_at_launch():
    with pytest.raises(ValidationError, match="at least one batch"):
        launch(batch_size=10, release_ahead=9)


@pytest.mark.parametrize("stranger", [counted(9, 5), selected(9, 5), counted(0, 5, wave=7), counted(0, 5, wave=0)])
def test_news_of_a_wave_or_a_shard_that_we_do_not_have_is_passed_over(stranger: Message):
    night = Night()
    before = night.state
    assert night.hear(stranger) == []
    assert night.state == before


# --- silent shards --------------------------------------------------------------------------------------------------


def test_a_shard_that_does_not_count_is_asked_again():
    night = Night()
    night.hear(counted(0, 3))
    assert night.wait(timedelta(seconds=4.9)) == []
    again = night.wait(timedelta(seconds=0.1))
    assert [(order.wave, order.shard) for order in _only(ScanShard, again)] == [(1, 1)]
    assert len(night.wait(timedelta(seconds=10))) == 2


def test_a_shard_that_does_not_select_is_asked_again_for_as_many():
    night = Night()
    night.hear(counted(0, 3), counted(1, 4), selected(0, 3))
    (again,) = _only(InviteShard, night.wait(timedelta(seconds=5)))
    assert (again.shard, again.limit) == (1, 4)


def test_shards_that_have_answered_are_left_in_peace():
    night = Night()
    _asking(night, 3, 4)
    assert night.wait(44 * MINUTE) == []


# --- the second wave ------------------------------------------------------------------------------------------------


def test_wave_two_opens_after_45_minutes_if_the_need_is_not_met():
    night = Night()
    _asking(night, 3, 4)
    assert next_due(night.state) == NIGHT + 45 * MINUTE
    scans = _only(ScanShard, night.wait(45 * MINUTE))
    assert [(scan.wave, scan.shard) for scan in scans] == [(2, 0), (2, 1)]
    assert {scan.criteria.blood_known for scan in scans} == {BloodKnown.UNKNOWN}
    assert _batches(_asking(night, 12, 0, wave=2)) == [(2, 0, 0), (2, 0, 1)]


def test_wave_two_never_opens_once_the_need_is_met():
    night = Night(launch(need=1))
    _asking(night, 3, 4)
    night.hear(answered(7), screened(7))
    assert night.wait(LONG) == []


def test_wave_two_waits_until_wave_one_knows_whom_it_asks():
    # Otherwise the shards could not leave those out whom wave 1 asked.
    night = Night()
    night.hear(counted(0, 3), counted(1, 4), selected(0, 3))
    orders = night.wait(50 * MINUTE)
    assert {order.wave for order in _only(ScanShard, orders) + _only(InviteShard, orders)} == {1}
    assert {order.wave for order in _only(ScanShard, night.hear(selected(1, 4)))} == {2}


def test_what_is_left_of_wave_one_goes_before_wave_two():
    night = Night(launch(batch_size=10, release_ahead=10))
    _asking(night, 20, 0)
    night.wait(45 * MINUTE)
    assert _asking(night, 20, 0, wave=2)[-1].type == "muster.invite-shard"  # no room yet
    assert _batches(night.hear(sent(0, 0))) == [(1, 0, 1)]
    assert _batches(night.hear(sent(0, 1))) == [(2, 0, 0)]


def test_the_wave_after_the_launch_may_be_late():
    night = Night(launch(waves=[WaveSpec(after=10 * MINUTE)]))
    assert [type(order) for order in night.first_orders] == [AppealLaunched]
    assert len(_only(ScanShard, night.wait(10 * MINUTE))) == 2


# --- people ---------------------------------------------------------------------------------------------------------


def test_the_need_is_met_by_confirmed_people_alone():
    night = Night(launch(need=2))
    assert night.hear(answered(1), answered(2), answered(3), screened(1), screened(2, matched=False)) == []
    assert night.hear(screened(3)) == [
        SendingStopped(appeal_id=APPEAL),
        AppealFilled(appeal_id=APPEAL, confirmed=2, unreleased=0, stood_down=()),
    ]
    assert night.state.status is Status.FILLED
    assert next_due(night.state) is None


def test_whoever_takes_a_yes_back_is_not_counted():
    night = Night(launch(need=2))
    night.hear(answered(1), screened(1), answered(1, Answer.WITHDRAWN), answered(2))
    assert night.hear(screened(2)) == []
    assert len(_only(AppealFilled, night.hear(answered(1)))) == 1  # a true match who says yes again


def test_everybody_who_still_waits_is_stood_down_kindly():
    night = Night(launch(need=1))
    _asking(night, 25, 0)
    night.hear(
        answered(4), answered(1), answered(2), answered(3, Answer.NO), answered(5), answered(5, Answer.WITHDRAWN)
    )
    stopped, filled, told = night.hear(answered(6), screened(6))
    assert isinstance(stopped, SendingStopped)
    assert filled == AppealFilled(appeal_id=APPEAL, confirmed=1, unreleased=0, stood_down=(1, 2, 4))
    assert isinstance(told, TellMembers)
    assert told.members == (1, 2, 4)
    assert told.draft.kind is MessageKind.STAND_DOWN
    assert told.draft.texts == night.state.launch.spec.texts.stand_down
    assert told.draft.not_after == night.state.launch.deadline + STAND_DOWN_STAYS


@pytest.mark.parametrize("after", [timedelta(), LONG], ids=["stopped", "expired"])
def test_nobody_is_told_that_enough_were_found_when_it_ended_without_that(after: timedelta):
    night = Night(launch())
    _asking(night, 25, 0)
    night.hear(answered(1))
    night.now += after
    (told,) = _only(TellMembers, night.hear(STOP))
    assert told.draft.texts == night.state.launch.spec.texts.ended
    (late,) = _only(TellMembers, night.hear(answered(2)))
    assert late.draft.texts == night.state.launch.spec.texts.ended


def test_an_appeal_that_was_launched_before_there_were_words_for_its_end_stands_down_as_it_did():
    order = launch()
    older = order.spec.model_copy(update={"texts": order.spec.texts.model_copy(update={"ended": {}})})
    night = Night(order.model_copy(update={"spec": older}))
    night.hear(answered(1))
    (told,) = _only(TellMembers, night.hear(STOP))
    assert told.draft.texts == older.texts.stand_down


def test_who_was_stood_down_at_the_closing_is_not_told_again():
    night = Night(launch(need=1))
    (_, _, told) = night.hear(answered(2), answered(1), screened(1))
    assert isinstance(told, TellMembers)
    assert told.members == (2,)
    assert night.hear(answered(2)) == []


def test_who_answered_by_e_mail_is_told_by_e_mail_and_a_caller_by_sms():
    night = Night(launch(need=1))
    ways = {1: Channel.SMS, 2: Channel.EMAIL, 3: Channel.HOTLINE, 4: Channel.WEB, 5: Channel.EMAIL}
    night.hear(*(answered(member, channel=channel) for member, channel in ways.items()))
    told = _only(TellMembers, night.hear(answered(6), screened(6)))
    assert [(order.draft.channel, order.members) for order in told] == [
        (Channel.SMS, (1, 3, 4)),
        (Channel.EMAIL, (2, 5)),
    ]
    assert len({order.message_id for order in told}) == 2


def test_many_are_told_in_messages_of_their_own_names():
    night = Night(launch(need=1))
    night.hear(*(answered(member) for member in range(1, 601)))
    told = _only(TellMembers, night.hear(screened(600)))
    assert [len(order.members) for order in told] == [256, 256, 87]
    assert len({order.message_id for order in told}) == 3
    assert sorted(member for order in told for member in order.members) == list(range(1, 600))


def test_a_yes_that_crosses_the_closing_is_stood_down_once():
    night = Night(launch(need=1))
    night.hear(answered(1), screened(1))
    fact, told = night.hear(answered(2))
    assert fact == MemberStoodDown(appeal_id=APPEAL, member_id=2)
    assert isinstance(told, TellMembers)
    assert told.members == (2,)
    assert night.hear(answered(2), answered(2, Answer.NO), answered(2)) == []


def test_who_was_told_that_it_is_closed_is_not_told_again():
    night = Night(launch(need=1))
    night.hear(answered(1), screened(1))
    assert night.hear(answered(2, told_closed=True), answered(3, Answer.NO), answered(1)) == []


# --- officers -------------------------------------------------------------------------------------------------------


def test_a_pause_holds_everything_back_and_a_resume_goes_on():
    night = Night(launch(batch_size=10, release_ahead=20))
    _asking(night, 40, 0)
    holding, fact = night.hear(PAUSE)
    assert holding == SendingPaused(appeal_id=APPEAL, decided_at=night.state.moment)
    assert fact == AppealPaused(appeal_id=APPEAL, by="officer")
    assert night.hear(sent(0, 0, 1), PAUSE) == []
    assert next_due(night.state) == night.state.launch.deadline
    resuming, fact, *batches = night.hear(RESUME)
    assert resuming == SendingResumed(appeal_id=APPEAL, decided_at=night.state.moment)
    assert fact == AppealResumed(appeal_id=APPEAL, by="officer")
    assert _batches(batches) == [(1, 0, 2), (1, 0, 3)]
    assert night.hear(RESUME) == []


def test_a_wave_that_fell_due_in_a_pause_opens_with_the_resume():
    night = Night()
    _asking(night, 3, 4)
    night.hear(PAUSE)
    assert night.wait(60 * MINUTE) == []
    assert {order.wave for order in _only(ScanShard, night.hear(RESUME))} == {2}


def test_a_paused_appeal_can_be_filled():
    night = Night(launch(need=1))
    night.hear(PAUSE, answered(1))
    assert [type(order) for order in night.hear(screened(1))] == [SendingStopped, AppealFilled]


def test_a_stop_withdraws_what_has_not_left():
    night = Night(launch(batch_size=10, release_ahead=20))
    _asking(night, 45, 3)
    night.hear(answered(1))
    stopped, fact, told = night.hear(STOP)
    assert isinstance(stopped, SendingStopped)
    assert fact == AppealStopped(
        appeal_id=APPEAL, by="officer", reason="transferred", confirmed=0, unreleased=28, stood_down=(1,)
    )
    assert isinstance(told, TellMembers)
    assert night.hear(STOP, PAUSE, RESUME, sent(0, 0, 1), screened(1)) == []


def test_a_stop_counts_those_too_whose_selection_is_still_being_made():
    night = Night()
    night.hear(counted(0, 12), counted(1, 4))
    (fact,) = _only(AppealStopped, night.hear(STOP))
    assert fact.unreleased == 16


# --- the deadline ---------------------------------------------------------------------------------------------------


def test_an_appeal_expires_at_its_deadline_and_tells_its_volunteers():
    night = Night(launch(need=2))
    _asking(night, 3, 4)
    night.hear(answered(1), answered(2), screened(1))
    night.wait(LONG - timedelta(seconds=1))
    assert night.state.status is Status.OPEN
    stopped, fact, told = night.wait(timedelta(seconds=1))
    assert isinstance(stopped, SendingStopped)
    assert fact == AppealExpired(appeal_id=APPEAL, confirmed=1, unreleased=0, stood_down=(2,))
    assert isinstance(told, TellMembers)


def test_a_paused_appeal_expires_too():
    night = Night()
    night.hear(PAUSE)
    assert [type(order) for order in night.wait(LONG)] == [SendingStopped, AppealExpired]


@pytest.mark.parametrize("late", [PAUSE, RESUME, answered(1, Answer.NO), counted(0, 5), tick(NIGHT)])
def test_after_the_deadline_the_stop_comes_before_whatever_came_too_late(late: Message):
    night = Night()
    if late is RESUME:
        night.hear(PAUSE)
    night.now = night.state.launch.deadline
    assert [type(order) for order in night.hear(late)] == [SendingStopped, AppealExpired]


def test_a_launch_that_arrives_after_its_deadline_asks_nobody():
    night = Night(launch(lasts=timedelta()))
    assert [type(order) for order in night.first_orders] == [AppealLaunched, SendingStopped, AppealExpired]


def test_a_clock_that_goes_back_changes_no_order_of_things():
    night = Night()
    night.now = NIGHT + 50 * MINUTE
    night.hear(*(counted(shard, 5) for shard in range(2)))
    night.now = NIGHT
    night.hear(selected(0, 5))
    assert {order.wave for order in _only(ScanShard, night.hear(selected(1, 5)))} == {2}
    assert night.state.moment == NIGHT + 50 * MINUTE
