"""What the decider of one appeal knows.  A value: it is stored as JSON and can be made again from the topic."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, PlainSerializer

from schemas.appeals import LaunchAppeal
from schemas.base import Contract, Count, MemberId
from schemas.words import Answer, Channel

# A set has no order of its own: sorted, the same state is always the same bytes.
Members = Annotated[frozenset[MemberId], PlainSerializer(sorted, return_type=list[int])]


class Status(StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    FILLED = "filled"
    STOPPED = "stopped"
    EXPIRED = "expired"

    @property
    def closed(self) -> bool:
        return self in {Status.FILLED, Status.STOPPED, Status.EXPIRED}


class Kept(Contract):
    """Part of the stored state.  What a newer worker has written into it, and we do not know, stays in it, so that old and
    new workers may take turns with an appeal.
    """  # noqa: D205

    model_config = ConfigDict(extra="allow")


class Done(Kept):
    """Which batches of a shard are finished: all below `below`, and the few in `beyond` that came early."""

    below: int = 0
    beyond: tuple[int, ...] = ()

    def __contains__(self, batch: int) -> bool:
        return batch < self.below or batch in self.beyond

    def add(self, batch: int) -> "Done":
        """With this batch; the same value when it was in already."""
        if batch in self:
            return self
        early = {*self.beyond, batch}
        below = self.below
        while below in early:
            early.remove(below)
            below += 1
        return Done(below=below, beyond=tuple(sorted(early)))

    def __len__(self) -> int:
        return self.below + len(self.beyond)


class ShardState(Kept):
    """One shard's part in one wave."""

    bins: tuple[Count, ...] | None = None  # None until the shard has counted
    limit: Count | None = None  # how many it was told to invite
    selected: Count | None = None  # None until its selection is fixed
    released: int = 0  # batches given to dispatch
    done: Done = Done()

    @property
    def invited(self) -> int:
        """The selection; until it is fixed, what the shard was told to select."""
        return (self.limit or 0) if self.selected is None else self.selected

    def batches(self, size: int) -> int:
        """Into how many batches of this size the selection falls."""
        return -(-(self.selected or 0) // size)


class Doubt(Kept):
    """Members of one finished batch who are uncertain and will be asked a second time, under `rather-repeat` only."""

    shard: int
    batch: int
    members: Count  # at most: fewer when something became known that the decider was not told
    since: AwareDatetime
    ordered: bool = False


class Tally(Kept):
    """What became of the members of a wave, as dispatch reported it."""

    sent: Count = 0
    refused: Count = 0
    uncertain: Count = 0
    withdrawn: Count = 0
    opted_out: Count = 0
    messages: Count = 0


class WaveState(Kept):
    """One wave, from the first question to the shards on."""

    asked_at: AwareDatetime  # when the shards were last asked something that some have not answered
    members: Count = 0
    excluded: dict[str, Count] = Field(default_factory=dict)
    opened: bool = False
    shards: tuple[ShardState, ...]
    tally: Tally = Tally()
    doubts: tuple[Doubt, ...] = ()  # until they have been asked again, or receipts have settled them

    @property
    def counted(self) -> bool:
        return all(shard.bins is not None for shard in self.shards)

    @property
    def fixed(self) -> bool:
        return all(shard.selected is not None for shard in self.shards)

    @property
    def invited(self) -> int:
        return sum(shard.invited for shard in self.shards)


class AppealState(Kept):
    """One appeal.  `moment` is the time of the newest input and never goes back."""

    launch: LaunchAppeal
    launched_at: AwareDatetime
    moment: AwareDatetime
    status: Status = Status.OPEN
    waves: tuple[WaveState, ...] = ()
    answers: dict[MemberId, Answer] = Field(default_factory=dict)
    answered_by: dict[MemberId, Channel] = Field(default_factory=dict)
    screened: dict[MemberId, bool] = Field(default_factory=dict)
    stood_down: Members = frozenset()

    def latest_yes(self) -> set[int]:
        return {member for member, answer in self.answers.items() if answer is Answer.YES}

    def confirmed(self) -> set[int]:
        """Members found to be a true match who have not taken their yes back."""
        return {member for member in self.latest_yes() if self.screened.get(member)}

    def open_yes(self) -> set[int]:
        """Members who said yes and still wait to hear from us."""
        return {member for member in self.latest_yes() if member not in self.screened} - self.stood_down

    def in_flight(self) -> int:
        """Members released to dispatch and not yet reported on, at most."""
        batches = sum(shard.released - len(shard.done) for wave in self.waves for shard in wave.shards)
        repeats = sum(doubt.ordered for wave in self.waves for doubt in wave.doubts)
        return (batches + repeats) * self.launch.batch_size

    def unreleased(self) -> int:
        """Members who were invited and never given to dispatch."""
        size = self.launch.batch_size
        return sum(max(0, shard.invited - shard.released * size) for wave in self.waves for shard in wave.shards)


def read_state(stored: str) -> AppealState:
    """The state as it was stored, by this version or a newer one."""
    return AppealState.model_validate_json(stored, extra="allow")


def next_due(state: AppealState) -> datetime | None:
    """The next moment at which the decider wants to be woken, if nothing happens before."""
    if state.status.closed:
        return None
    moments = [state.launch.deadline]
    if state.status is Status.OPEN:
        moments += [wave.asked_at + state.launch.ask_again_after for wave in state.waves if not wave.fixed]
        if (opening := next_wave_at(state)) is not None:
            moments.append(opening)
        # Those that are due already wait for room, which comes with the report on some batch.
        repeats = [repeat_at(state, doubt) for wave in state.waves for doubt in wave.doubts if not doubt.ordered]
        moments += [moment for moment in repeats if moment > state.moment]
    return min(moments)


def repeat_at(state: AppealState, doubt: Doubt) -> datetime:
    """When whoever is still uncertain then is asked again."""
    return doubt.since + state.launch.spec.repeat_after


def next_wave_at(state: AppealState) -> datetime | None:
    """When the next wave opens if the need is not met by then; none when all have opened or one is still counted."""
    number = len(state.waves)
    if number >= len(state.launch.spec.waves) or (state.waves and not state.waves[-1].fixed):
        return None
    return state.launched_at + state.launch.spec.waves[number].after
