"""How the decider learns: the state after a message, whether it came in or was decided."""

from datetime import datetime
from typing import TypeVar

from decisions.appeals.state import AppealState, ShardState, Status, Tally, WaveState
from schemas import appeals as say
from schemas.audience import InviteShard, ScanShard
from schemas.dispatch import SendBatch
from schemas.reader import Message

S = TypeVar("S", bound=say.Contract)


def evolve(state: AppealState | None, message: Message, at: datetime) -> AppealState | None:
    """The state after this message.  What the decider does not care about leaves it as it was."""
    if isinstance(message, say.LaunchAppeal):
        return state or AppealState(launch=message, launched_at=at, moment=at)
    if state is None:
        return None
    state = _with(state, moment=max(at, state.moment))
    match message:
        case ScanShard() | InviteShard() | say.ShardCounted() | say.ShardSelected() | say.WaveOpened():
            return _learn_selection(state, message)
        case SendBatch() | say.BatchSent():
            return _learn_dispatch(state, message)
        case say.MemberAnswered():
            return _with(state, answers={**state.answers, message.member_id: message.answer})
        case say.MemberScreened():
            return _learn_screening(state, message)
        case say.MemberStoodDown():
            return _with(state, stood_down=state.stood_down | {message.member_id})
        case say.AppealPaused():
            return _with(state, status=Status.PAUSED)
        case say.AppealResumed():
            return _with(state, status=Status.OPEN)
        case say.AppealFilled() | say.AppealStopped() | say.AppealExpired():
            return _with(state, status=_CLOSED[type(message)], stood_down=state.stood_down | {*message.stood_down})
        case _:
            return state


_CLOSED = {
    say.AppealFilled: Status.FILLED,
    say.AppealStopped: Status.STOPPED,
    say.AppealExpired: Status.EXPIRED,
}


def _learn_selection(
    state: AppealState,
    message: ScanShard | InviteShard | say.ShardCounted | say.ShardSelected | say.WaveOpened,
) -> AppealState:
    if isinstance(message, ScanShard) and message.wave == len(state.waves) + 1:
        shards = tuple(ShardState() for _ in range(message.shards))
        return _with(state, waves=(*state.waves, WaveState(asked_at=state.moment, shards=shards)))
    if not 1 <= message.wave <= len(state.waves):
        return state
    wave = state.waves[message.wave - 1]
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
    wave = state.waves[message.wave - 1]
    if isinstance(message, SendBatch):
        released = max(wave.shards[message.shard].released, message.batch + 1)
        return _in_wave(state, message.wave, _in_shard(wave, message.shard, released=released))
    for outcome in message.batches:
        shard = wave.shards[outcome.shard]
        if outcome.batch in shard.done:
            continue
        wave = _in_shard(wave, outcome.shard, done=shard.done.add(outcome.batch))
        wave = _with(
            wave,
            tally=Tally(**{name: getattr(wave.tally, name) + getattr(outcome, name) for name in Tally.model_fields}),
        )
    return _in_wave(state, message.wave, wave)


def _learn_screening(state: AppealState, message: say.MemberScreened) -> AppealState:
    return _with(state, screened={**state.screened, message.member_id: message.matched})


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
