"""The appeal that the tests of the decider are about, and the short way to say things to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from decisions.appeals.decide import advance
from decisions.appeals.state import AppealState, next_due
from schemas.appeals import (
    BatchOutcome,
    BatchRepeated,
    BatchSent,
    LaunchAppeal,
    MemberAnswered,
    MemberScreened,
    RepeatOutcome,
    SettledBatch,
    ShardCounted,
    ShardSelected,
    Tick,
    UncertainSettled,
)
from schemas.reader import Message
from schemas.spec import AppealSpec, BloodNeed, Texts, WaveSpec
from schemas.words import ABO, Answer, BloodKnown, Channel, Language, Policy

NIGHT = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"
MINUTE = timedelta(minutes=1)
TEXTS = Texts(
    mass={Language.CHINESE: "急需AB型血小板"},
    stand_down={Language.CHINESE: "已经够了，谢谢您"},
    ended={Language.CHINESE: "已经结束，谢谢您"},
)
WAVES = (WaveSpec(), WaveSpec(blood=BloodKnown.UNKNOWN, after=45 * MINUTE))


def launch(
    *,
    need: int = 2,
    waves: Sequence[WaveSpec] = WAVES,
    shards: int = 2,
    batch_size: int = 10,
    release_ahead: int = 100,
    lasts: timedelta = timedelta(hours=4),
    policy: Policy = Policy.RATHER_MISS,
    repeat_after: timedelta = timedelta(minutes=5),
) -> LaunchAppeal:
    spec = AppealSpec(
        programme="platelets",
        blood=BloodNeed(abo=ABO.AB),
        need=need,
        deadline=lasts,
        waves=tuple(waves),
        texts=TEXTS,
        policy=policy,
        repeat_after=repeat_after,
    )
    return LaunchAppeal(
        given_by="officer",
        appeal_id=APPEAL,
        request_id="r-20111124-0001",
        spec=spec,
        deadline=NIGHT + lasts,
        slot=7,
        shards=shards,
        batch_size=batch_size,
        release_ahead=release_ahead,
    )


def counted(shard: int, *bins: int, wave: int = 1, excluded: int = 0) -> ShardCounted:
    return ShardCounted(
        appeal_id=APPEAL,
        wave=wave,
        shard=shard,
        members=sum(bins) + excluded,
        bins=bins,
        excluded={"blood": excluded} if excluded else {},
    )


def selected(shard: int, members: int, *, wave: int = 1) -> ShardSelected:
    return ShardSelected(appeal_id=APPEAL, wave=wave, shard=shard, members=members)


def sent(shard: int, *batches: int, wave: int = 1, members: int = 10) -> BatchSent:
    done = tuple(BatchOutcome(shard=shard, batch=batch, sent=members, messages=members) for batch in batches)
    return BatchSent(appeal_id=APPEAL, wave=wave, batches=done)


def in_doubt(shard: int, batch: int, members: int, *, wave: int = 1) -> BatchSent:
    """A finished batch of which so many members are uncertain."""
    outcome = BatchOutcome(shard=shard, batch=batch, sent=10 - members, uncertain=members, messages=10 - members)
    return BatchSent(appeal_id=APPEAL, wave=wave, batches=(outcome,))


def repeated(shard: int, batch: int, *, wave: int = 1, sent: int = 0, spared: int = 0) -> BatchRepeated:
    outcome = RepeatOutcome(shard=shard, batch=batch, sent=sent, messages=sent, spared=spared)
    return BatchRepeated(appeal_id=APPEAL, wave=wave, batches=(outcome,))


def settled(shard: int, batch: int, *, wave: int = 1, delivered: int = 0, failed: int = 0) -> UncertainSettled:
    told = SettledBatch(shard=shard, batch=batch, delivered=delivered, failed=failed)
    return UncertainSettled(appeal_id=APPEAL, wave=wave, batches=(told,))


def answered(
    member: int, answer: Answer = Answer.YES, *, channel: Channel = Channel.SMS, told_closed: bool = False
) -> MemberAnswered:
    return MemberAnswered(
        appeal_id=APPEAL,
        member_id=member,
        answer=answer,
        channel=channel,
        reply_id=f"m-{member}",
        told_closed=told_closed,
    )


def screened(member: int, *, matched: bool = True) -> MemberScreened:
    return MemberScreened(appeal_id=APPEAL, member_id=member, matched=matched, screened_by="coordinator")


def tick(due: datetime) -> Tick:
    return Tick(appeal_id=APPEAL, due=due)


class Night:
    """An appeal on the night of the story: tell it what happens, it answers with its orders."""

    def __init__(self, order: LaunchAppeal | None = None) -> None:
        self.now = NIGHT
        self.known: AppealState | None = None
        self.first_orders = self.hear(order or launch())

    @property
    def state(self) -> AppealState:
        assert self.known is not None
        return self.known

    def hear(self, *messages: Message) -> list[Message]:
        """What it orders after these, heard in this order at this moment."""
        orders: list[Message] = []
        for message in messages:
            self.known, following = advance(self.known, message, self.now)
            orders += following
        return orders

    def wait(self, span: timedelta) -> list[Message]:
        """Let time pass; what the appeal orders when it is woken in between and at the end."""
        end = self.now + span
        orders: list[Message] = []
        while (due := next_due(self.state)) is not None and due <= end:
            self.now = max(self.now, due)
            orders += self.hear(tick(due))
            assert next_due(self.state) != due, "a wake-up for the same moment is heard only once"
        self.now = end
        return orders
