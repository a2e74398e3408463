"""What the decider orders: pure rules from a state and the message that led to it.

`advance` is the whole of it: the state learns the message, then orders follow, each of which the state learns too, so
that the same topic always gives the same orders and the same state.

`VERSION` names these rules in every fact.  A change after which an old topic would be decided differently is a new
version; the old rules stay beside the new ones (`replay.DECIDERS`) for as long as their topics are to be checked.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from decisions.appeals.cutoff import limits
from decisions.appeals.evolve import evolve
from decisions.appeals.state import AppealState, Status, WaveState, next_wave_at, repeat_at
from decisions.calendar import day_in_beijing
from decisions.matching import criteria_for
from decisions.programmes import PROGRAMMES
from schemas import appeals as say
from schemas.audience import InviteShard, ScanShard
from schemas.dispatch import (
    Draft,
    RepeatBatch,
    SendBatch,
    SendingPaused,
    SendingResumed,
    SendingStopped,
    TellMembers,
)
from schemas.reader import Message
from schemas.words import WRITTEN, Answer, Channel, Language, MessageKind

INPUTS = (
    say.LaunchAppeal,
    say.PauseAppeal,
    say.ResumeAppeal,
    say.StopAppeal,
    say.ShardCounted,
    say.ShardSelected,
    say.BatchSent,
    say.BatchRepeated,
    say.UncertainSettled,
    say.MemberAnswered,
    say.MemberScreened,
    say.Tick,
)
VERSION = 1
DECIDER = "decider"
STAND_DOWN_STAYS = timedelta(hours=12)  # it is news even to a phone that is switched on in the morning
_TOLD_AT_ONCE = 256


def advance(state: AppealState | None, message: Message, at: datetime) -> tuple[AppealState | None, list[Message]]:
    """The state after this input and the orders that follow from it, in the order in which they are published."""
    fresh = state is None
    state = evolve(state, message, at)
    if state is None or (isinstance(message, say.LaunchAppeal) and not fresh):
        return state, []
    orders: list[Message] = []
    for order in _decide(state, message):
        orders.append(_signed(order))
        state = evolve(state, order, at) or state
    for order in _follow_up(state):
        orders.append(_signed(order))
        state = evolve(state, order, at) or state
    return state, orders


def order_id(appeal_id: str, offset: int, number: int) -> str:
    """The name of an order, by the input that it follows from: published twice it is one order."""
    return f"{appeal_id}:{offset}:{number}"


def _signed(order: Message) -> Message:
    """A fact names the rules that decided it."""
    return order.model_copy(update={"decider": VERSION}) if isinstance(order, say.Decided) else order


def _decide(state: AppealState, message: Message) -> list[Message]:
    """What follows from this very message."""
    launch = state.launch
    match message:
        case say.LaunchAppeal():
            return [
                say.AppealLaunched(
                    appeal_id=launch.appeal_id,
                    request_id=launch.request_id,
                    need=launch.spec.need,
                    deadline=launch.deadline,
                    drill=launch.drill,
                )
            ]
        # Whoever must close does so first: a resume would otherwise let messages go between itself and the stop.
        case say.PauseAppeal() if state.status is Status.OPEN and _ending(state) is None:
            return [
                SendingPaused(appeal_id=launch.appeal_id, decided_at=state.moment),
                say.AppealPaused(appeal_id=launch.appeal_id, by=message.given_by),
            ]
        case say.ResumeAppeal() if state.status is Status.PAUSED and _ending(state) is None:
            return [
                SendingResumed(appeal_id=launch.appeal_id, decided_at=state.moment),
                say.AppealResumed(appeal_id=launch.appeal_id, by=message.given_by),
            ]
        case say.StopAppeal() if not state.status.closed:
            return _close(state, Status.STOPPED, by=message.given_by, reason=message.reason)
        case say.MemberAnswered() if message.answer is Answer.YES and state.status.closed and not message.told_closed:
            return _stand_down_late(state, message.member_id)
        case _:
            return []


def _follow_up(state: AppealState) -> list[Message]:
    """What the state itself asks for, whatever message led to it: closing, the next wave, more batches."""
    if state.status.closed:
        return []
    if (ending := _ending(state)) is not None:
        return _close(state, ending)
    if state.status is Status.PAUSED:
        return []
    return [*_open_wave(state), *_invite(state), *_ask_again(state), *_release(state)]


def _ending(state: AppealState) -> Status | None:
    """How an open appeal must end at this moment, if it must."""
    if len(state.confirmed()) >= state.launch.spec.need:
        return Status.FILLED
    return Status.EXPIRED if state.moment >= state.launch.deadline else None


# --- waves ----------------------------------------------------------------------------------------------------------


def _open_wave(state: AppealState) -> list[Message]:
    opening = next_wave_at(state)
    if opening is None or state.moment < opening:
        return []
    return list(_scans(state, len(state.waves) + 1, range(state.launch.shards)))


def _scans(state: AppealState, wave: int, shards: Sequence[int]) -> Iterator[ScanShard]:
    spec = state.launch.spec
    criteria = criteria_for(spec, spec.waves[wave - 1], day_in_beijing(state.launched_at))
    for shard in shards:
        yield ScanShard(
            given_by=DECIDER,
            drill=state.launch.drill,
            appeal_id=state.launch.appeal_id,
            wave=wave,
            shard=shard,
            shards=state.launch.shards,
            criteria=criteria,
        )


def _invite(state: AppealState) -> list[Message]:
    """When all shards have counted, the wave opens: every shard learns how many it invites."""
    orders: list[Message] = []
    for number, wave in enumerate(state.waves, start=1):
        if not wave.opened and wave.counted:
            allowed = limits([shard.bins or () for shard in wave.shards], state.launch.spec.waves[number - 1].size)
            orders.append(
                say.WaveOpened(
                    appeal_id=state.launch.appeal_id,
                    wave=number,
                    members=wave.members,
                    matched=sum(sum(shard.bins or ()) for shard in wave.shards),
                    invited=sum(allowed),
                    excluded=wave.excluded,
                )
            )
            orders += [_invitation(state, number, shard, limit) for shard, limit in enumerate(allowed)]
    return orders


def _invitation(state: AppealState, wave: int, shard: int, limit: int) -> InviteShard:
    spec = state.launch.spec
    return InviteShard(
        given_by=DECIDER,
        drill=state.launch.drill,
        appeal_id=state.launch.appeal_id,
        wave=wave,
        shard=shard,
        shards=state.launch.shards,
        criteria=criteria_for(spec, spec.waves[wave - 1], day_in_beijing(state.launched_at)),
        limit=limit,
    )


def _ask_again(state: AppealState) -> list[Message]:
    """A shard that has been silent too long is asked again; a second answer changes nothing."""
    orders: list[Message] = []
    for number, wave in enumerate(state.waves, start=1):
        if wave.fixed or state.moment < wave.asked_at + state.launch.ask_again_after:
            continue
        if not wave.counted:
            silent = [shard for shard, known in enumerate(wave.shards) if known.bins is None]
            orders += _scans(state, number, silent)
        else:
            orders += [
                _invitation(state, number, shard, known.limit)
                for shard, known in enumerate(wave.shards)
                if known.selected is None and known.limit is not None
            ]
    return orders


# --- release --------------------------------------------------------------------------------------------------------


def _release(state: AppealState) -> list[Message]:
    """As many batches as keep the gateway busy for about two seconds, and no more: the rest can still be called off.

    Second attempts go first: these people have waited.
    """
    room = (state.launch.release_ahead - state.in_flight()) // state.launch.batch_size
    if room <= 0:
        return []
    repeats = list(islice(_repeats(state), room))
    waiting = (
        _batch(state, number, shard, batch)
        for number, wave in enumerate(state.waves, start=1)
        for shard, batch in _unreleased(wave, state.launch.batch_size)
    )
    return [*_say_repeated(state, repeats), *repeats, *islice(waiting, room - len(repeats))]


def _repeats(state: AppealState) -> Iterator[RepeatBatch]:
    """Batches of which some members are uncertain, once receipts have had their time to settle them."""
    launch = state.launch
    for number, wave in enumerate(state.waves, start=1):
        for doubt in wave.doubts:
            if not doubt.ordered and repeat_at(state, doubt) <= state.moment:
                yield RepeatBatch(
                    given_by=DECIDER,
                    drill=launch.drill,
                    appeal_id=launch.appeal_id,
                    wave=number,
                    shard=doubt.shard,
                    batch=doubt.batch,
                    batch_size=launch.batch_size,
                    purpose=PROGRAMMES[launch.spec.programme].purpose,
                    draft=_draft(state, number),
                )


def _say_repeated(state: AppealState, repeats: Sequence[RepeatBatch]) -> Iterator[Message]:
    """One fact per wave of which somebody is asked again."""
    for number, wave in enumerate(state.waves, start=1):
        batches = {(order.shard, order.batch) for order in repeats if order.wave == number}
        if batches:
            members = sum(doubt.members for doubt in wave.doubts if (doubt.shard, doubt.batch) in batches)
            yield say.RepeatOrdered(
                appeal_id=state.launch.appeal_id, wave=number, batches=len(batches), members=members
            )


def _unreleased(wave: WaveState, size: int) -> Iterator[tuple[int, int]]:
    """(shard, batch) of one wave in the order of release: the shards in turn, so that the best of each go first."""
    left = [
        (number, shard.released, end)
        for number, shard in enumerate(wave.shards)
        if shard.released < (end := shard.batches(size))
    ]
    for batch in range(min((start for _, start, _ in left), default=0), max((end for *_, end in left), default=0)):
        yield from ((number, batch) for number, start, end in left if start <= batch < end)


def _batch(state: AppealState, wave: int, shard: int, batch: int) -> SendBatch:
    launch = state.launch
    return SendBatch(
        given_by=DECIDER,
        drill=launch.drill,
        appeal_id=launch.appeal_id,
        wave=wave,
        shard=shard,
        batch=batch,
        batch_size=launch.batch_size,
        policy=launch.spec.policy,
        purpose=PROGRAMMES[launch.spec.programme].purpose,
        draft=_draft(state, wave),
    )


def _draft(state: AppealState, wave: int) -> Draft:
    """What a wave says; a second attempt says it under the same reference."""
    launch = state.launch
    return Draft(
        kind=MessageKind.MASS,
        channel=launch.spec.waves[wave - 1].channel,
        texts=launch.spec.texts.mass,
        slot=launch.slot,
        not_after=launch.deadline,
    )


# --- the end --------------------------------------------------------------------------------------------------------


def _close(state: AppealState, how: Status, *, by: str = DECIDER, reason: str = "") -> list[Message]:
    """The stop leaves before anything else; then the fact, then a kind word to everybody who still waits."""
    appeal_id = state.launch.appeal_id
    waiting = tuple(sorted(state.open_yes()))
    confirmed, unreleased = len(state.confirmed()), state.unreleased()
    fact: Message
    if how is Status.FILLED:
        fact = say.AppealFilled(appeal_id=appeal_id, confirmed=confirmed, unreleased=unreleased, stood_down=waiting)
    elif how is Status.EXPIRED:
        fact = say.AppealExpired(appeal_id=appeal_id, confirmed=confirmed, unreleased=unreleased, stood_down=waiting)
    else:
        fact = say.AppealStopped(
            appeal_id=appeal_id, by=by, reason=reason, confirmed=confirmed, unreleased=unreleased, stood_down=waiting
        )
    return [SendingStopped(appeal_id=appeal_id), fact, *_stand_down(state, waiting, how)]


def _stand_down_late(state: AppealState, member: int) -> list[Message]:
    """A yes that crossed the closing: its acknowledgement promised a call, so it is stood down too, once."""
    if member in state.stood_down or member in state.screened:
        return []
    fact = say.MemberStoodDown(appeal_id=state.launch.appeal_id, member_id=member)
    return [fact, *_stand_down(state, (member,), state.status)]


def _stand_down(state: AppealState, members: Sequence[int], how: Status) -> Iterator[TellMembers]:
    """Everybody hears of it the way they said yes if that carries messages, or else by SMS."""
    own = state.launch.spec.texts
    # Who launched it may be older than `ended`.
    texts = own.stand_down if how is Status.FILLED else own.ended or own.stand_down
    for channel in Channel:
        yield from _tell(state, [member for member in members if _way_back(state, member) is channel], channel, texts)


def _way_back(state: AppealState, member: int) -> Channel:
    channel = state.answered_by.get(member, Channel.SMS)
    return channel if channel in WRITTEN else Channel.SMS


def _tell(
    state: AppealState, members: Sequence[int], channel: Channel, texts: Mapping[Language, str]
) -> Iterator[TellMembers]:
    launch = state.launch
    for first in range(0, len(members), _TOLD_AT_ONCE):
        chunk = tuple(members[first : first + _TOLD_AT_ONCE])
        yield TellMembers(
            given_by=DECIDER,
            drill=launch.drill,
            message_id=f"{launch.appeal_id}/stand-down/{chunk[0]}",
            appeal_id=launch.appeal_id,
            members=chunk,
            purpose=PROGRAMMES[launch.spec.programme].purpose,
            draft=Draft(
                kind=MessageKind.STAND_DOWN,
                channel=channel,
                texts=dict(texts),
                slot=launch.slot,
                not_after=max(launch.deadline, state.moment) + STAND_DOWN_STAYS,
            ),
        )
