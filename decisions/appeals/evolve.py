"""How the decider learns: the state after a message, whether it came in or was decided."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from decisions.appeals.state import AppealState, Doubt, ShardState, Status, Tally, WaveState
from schemas import appeals as say
from schemas.audience import InviteShard, ScanShard
from schemas.base import Contract
from schemas.dispatch import RepeatBatch, SendBatch
from schemas.reader import Message
from schemas.words import Policy

S = TypeVar("S", bound=Contract)


def evolve(state: AppealState | None, message: Message, at: datetime) -> AppealState | None:
    """The state after this message.  What the decider does not care about leaves it as it was."""
    if isinstance(message, say.LaunchAppeal):
        return state or AppealState(launch=message, launched_at=at, moment=at)
    if state is None:
        return None
    state = _with(state, moment=max(at, state.moment))
    match message:
        case ScanShard() | InviteShard() | say.ShardCounted() | say.ShardSelected() | say.WaveOpened():
            state = _learn_selection(state, message)
        case SendBatch() | say.BatchSent():
            state = _learn_dispatch(state, message)
        case RepeatBatch() | say.BatchRepeated() | say.UncertainSettled():
            state = _learn_doubts(state, message)
        case say.MemberAnswered() | say.MemberScreened() | say.MemberStoodDown():
            state = _learn_member(state, message)
        case say.AppealPaused() | say.AppealResumed():
            state = _with(state, status=_STATUS[type(message)])
        case say.AppealFilled() | say.AppealStopped() | say.AppealExpired():
            state = _with(state, status=_STATUS[type(message)], stood_down=state.stood_down | {*message.stood_down})
        case _:
            pass
    return state


_STATUS: Mapping[type[Message], Status] = MappingProxyType(
    {
        say.AppealPaused: Status.PAUSED,
        say.AppealResumed: Status.OPEN,
        say.AppealFilled: Status.FILLED,
        say.AppealStopped: Status.STOPPED,
        say.AppealExpired: Status.EXPIRED,
    }
)


def _learn_selection(
    state: AppealState,
    message: ScanShard | InviteShard | say.ShardCounted | say.ShardSelected | say.WaveOpened,
) -> AppealState:
    if isinstance(message, ScanShard) and message.wave == len(state.waves) + 1:
        shards = tuple(ShardState() for _ in range(message.shards))
        return _with(state, waves=(*state.waves, WaveState(asked_at=state.moment, shards=shards)))
    wave = _wave(state, message.wave)
    # A wave or a shard that this appeal does not have: nothing that could be learnt from it is about us.
    if wave is None or (not isinstance(message, say.WaveOpened) and message.shard >= len(wave.shards)):
        return state
    match message:
        case ScanShard():
            wave = _with(wave, asked_at=state.moment)
        case InviteShard():
            wave = _with(_in_shard(wave, message.shard, limit=message.limit), asked_at=state.moment)
        case say.WaveOpened():
            wave = _with(wave, opened=True)
        case say.ShardCounted() if wave.shards[message.shard].bins is None:
            excluded = {
                reason: wave.excluded.get(reason, 0) + message.excluded.get(reason, 0)
                for reason in sorted({*wave.excluded, *message.excluded})
            }
            wave = _in_shard(wave, message.shard, bins=message.bins)
            wave = _with(wave, members=wave.members + message.members, excluded=excluded)
        case say.ShardSelected() if wave.shards[message.shard].selected is None:
            wave = _in_shard(wave, message.shard, selected=message.members)
    return _in_wave(state, message.wave, wave)


def _learn_dispatch(state: AppealState, message: SendBatch | say.BatchSent) -> AppealState:
    wave = _wave(state, message.wave)
    if wave is None:
        return state
    if isinstance(message, SendBatch):
        released = max(wave.shards[message.shard].released, message.batch + 1)
        return _in_wave(state, message.wave, _in_shard(wave, message.shard, released=released))
    for outcome in message.batches:
        wave = _learn_outcome(state, wave, outcome)
    return _in_wave(state, message.wave, wave)


def _learn_outcome(state: AppealState, wave: WaveState, outcome: say.BatchOutcome) -> WaveState:
    """Each batch that was released counts once; a batch that never was must not make room for others."""
    shard = wave.shards[outcome.shard] if outcome.shard < len(wave.shards) else None
    if shard is None or outcome.batch >= shard.released or outcome.batch in shard.done:
        return wave
    tally = Tally(**{name: getattr(wave.tally, name) + getattr(outcome, name) for name in Tally.model_fields})
    wave = _with(_in_shard(wave, outcome.shard, done=shard.done.add(outcome.batch)), tally=tally)
    if not outcome.uncertain or state.launch.spec.policy is not Policy.RATHER_REPEAT:
        return wave
    doubt = Doubt(shard=outcome.shard, batch=outcome.batch, members=outcome.uncertain, since=state.moment)
    return _with(wave, doubts=(*wave.doubts, doubt))


def _learn_doubts(state: AppealState, message: RepeatBatch | say.BatchRepeated | say.UncertainSettled) -> AppealState:
    wave = _wave(state, message.wave)
    if wave is None:
        return state
    match message:
        case RepeatBatch():
            doubts = [_ordered(doubt, message) for doubt in wave.doubts]
        case say.BatchRepeated():
            over = {(outcome.shard, outcome.batch) for outcome in message.batches}
            doubts = [doubt for doubt in wave.doubts if not (doubt.ordered and (doubt.shard, doubt.batch) in over)]
        case say.UncertainSettled():
            settled = {(told.shard, told.batch): told.delivered + told.failed for told in message.batches}
            known = [_settled(doubt, settled.get((doubt.shard, doubt.batch), 0)) for doubt in wave.doubts]
            doubts = [doubt for doubt in known if doubt.members or doubt.ordered]
    return _in_wave(state, message.wave, _with(wave, doubts=tuple(doubts)))


def _ordered(doubt: Doubt, order: RepeatBatch) -> Doubt:
    return _with(doubt, ordered=True) if (doubt.shard, doubt.batch) == (order.shard, order.batch) else doubt


def _settled(doubt: Doubt, members: int) -> Doubt:
    return _with(doubt, members=max(0, doubt.members - members)) if members else doubt


def _learn_member(
    state: AppealState, message: say.MemberAnswered | say.MemberScreened | say.MemberStoodDown
) -> AppealState:
    member = message.member_id
    match message:
        case say.MemberAnswered():
            return _with(
                state,
                answers={**state.answers, member: message.answer},
                answered_by={**state.answered_by, member: message.channel},
            )
        case say.MemberScreened():
            return _with(state, screened={**state.screened, member: message.matched})
        case say.MemberStoodDown():
            return _with(state, stood_down=state.stood_down | {member})


def _wave(state: AppealState, number: int) -> WaveState | None:
    return state.waves[number - 1] if 1 <= number <= len(state.waves) else None


def _in_wave(state: AppealState, number: int, wave: WaveState) -> AppealState:
    waves = list(state.waves)
    waves[number - 1] = wave
    return _with(state, waves=tuple(waves))


def _in_shard(wave: WaveState, number: int, **changes: object) -> WaveState:
    shards = list(wave.shards)
    shards[number] = _with(shards[number], **changes)
    return _with(wave, shards=tuple(shards))


def _with(value: S, **changes: object) -> S:
    return value.model_copy(update=changes)
