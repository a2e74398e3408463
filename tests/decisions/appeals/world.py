"""A small world around the decider: shards, a dispatcher, members and officers, whose messages come in any order.

Everything that the decider is told is remembered, and every promise is checked against what was told and ordered, not
against the decider's own state.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from decisions.appeals.decide import advance
from decisions.appeals.state import AppealState, next_due
from schemas import appeals as say
from schemas.audience import InviteShard, ScanShard
from schemas.dispatch import RepeatBatch, SendBatch, SendingStopped, TellMembers
from schemas.reader import Message, write
from schemas.words import Answer, Channel, Policy
from tests.decisions.appeals.samples import (
    APPEAL,
    answered,
    counted,
    repeated,
    screened,
    selected,
    settled,
    tick,
)

ASKING = (ScanShard, InviteShard, say.WaveOpened, SendBatch, RepeatBatch, say.RepeatOrdered)
CLOSING = (say.AppealFilled, say.AppealStopped, say.AppealExpired)
Batch = tuple[int, int, int]


def canonical(state: AppealState | None, orders: list[Message]) -> bytes:
    """The same bytes for the same decision."""
    said = [json.loads(write(order)) for order in orders]
    known = None if state is None else json.loads(state.model_dump_json())
    return json.dumps([known, said], sort_keys=True).encode() + (state.model_dump_json().encode() if state else b"")


@dataclass
class Told:
    """What the decider has been told and has ordered so far."""

    answers: dict[int, Answer] = field(default_factory=dict)
    screened: dict[int, bool] = field(default_factory=dict)
    selected: dict[tuple[int, int], int] = field(default_factory=dict)
    released: set[Batch] = field(default_factory=set)
    reported: set[Batch] = field(default_factory=set)
    uncertain: dict[Batch, tuple[int, datetime]] = field(default_factory=dict)  # members, told when
    settled: Counter[Batch] = field(default_factory=Counter)
    repeated: set[Batch] = field(default_factory=set)  # asked a second time
    over: set[Batch] = field(default_factory=set)  # and done with
    waiting: set[int] = field(default_factory=set)  # owed a stand-down
    stood_down: Counter[int] = field(default_factory=Counter)
    closings: list[Message] = field(default_factory=list)
    latest: datetime | None = None

    def confirmed(self) -> set[int]:
        return {who for who, answer in self.answers.items() if answer is Answer.YES and self.screened.get(who)}

    def open_yes(self) -> set[int]:
        return {who for who, answer in self.answers.items() if answer is Answer.YES and who not in self.screened}


class World:
    """`step` lets one thing happen; `finish` lets everything come to its end."""

    def __init__(
        self, launch: say.LaunchAppeal, at: datetime, random: Random, *, people: int, calm: bool = False
    ) -> None:
        self.launch = launch
        self.now = at
        self.random = random
        self.people = people
        self.calm = calm  # every message arrives at once, in order and once
        self.told = Told()
        self.state: AppealState | None = None
        self.log: list[tuple[Message, datetime]] = []
        self.orders: list[Message] = []
        self.mail: list[tuple[Message, datetime]] = []
        self.bins: dict[tuple[int, int], list[int]] = {}
        self.selections: dict[tuple[int, int], int] = {}
        self.paused = False
        self.deliver(launch, at)

    # --- what happens -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        happens = [self._mail, self._person, self._officer, self._wake, self._receipts]
        self.random.choices(happens, weights=[6, 4, 1, 1, 1])[0]()

    def finish(self) -> None:
        """Everything that is on its way arrives, and the appeal is woken whenever it asked for it, until it is over."""
        for _ in range(5_000):
            if self.mail:
                self._mail()
            elif self._known.status.closed:
                return
            else:
                self._wake()
        raise AssertionError("the appeal does not end")

    @property
    def _known(self) -> AppealState:
        assert self.state is not None
        return self.state

    def _mail(self) -> None:
        """Any of the messages on their way arrives; some stay on their way and come again."""
        if self.mail:
            place = 0 if self.calm else self.random.randrange(len(self.mail))
            message, at = self.mail.pop(place)
            if not self.calm and self.random.random() < 0.15:
                self.mail.append((message, at))
            self.deliver(message, at)

    def _wake(self) -> None:
        due = next_due(self._known)
        if due is None:
            return
        self.now = max(self.now, due) + timedelta(seconds=0 if self.calm else self.random.choice([0, 0, 1, 30]))
        self.deliver(tick(due), self.now)
        assert next_due(self._known) != due, "a wake-up for the same moment is heard only once"

    def _person(self) -> None:
        """Somebody answers, changes their mind or is screened; whoever it is, whatever was said before."""
        who = self.random.randint(1, self.people)
        if self.random.random() < 0.4:
            self._post(screened(who, matched=self.random.random() < 0.7))
        else:
            answer = self.random.choice([Answer.YES, Answer.YES, Answer.YES, Answer.NO, Answer.WITHDRAWN])
            channel = self.random.choice(list(Channel))
            self._post(answered(who, answer, channel=channel, told_closed=self._known.status.closed))

    def _officer(self) -> None:
        pause = say.PauseAppeal(given_by="officer", appeal_id=APPEAL)
        resume = say.ResumeAppeal(given_by="officer", appeal_id=APPEAL)
        stop = say.StopAppeal(given_by="officer", appeal_id=APPEAL)
        orders: list[Message] = [pause, resume, stop]
        self._post(self.random.choices(orders, weights=[6, 8, 1])[0])

    def _receipts(self) -> None:
        """Receipts settle some members of a batch; more than were uncertain, if two reports cross."""
        in_doubt = sorted(self.told.uncertain)
        if in_doubt:
            wave, shard, batch = self.random.choice(in_doubt)
            delivered, failed = self.random.randint(0, 3), self.random.randint(0, 1)
            self._post(settled(shard, batch, wave=wave, delivered=delivered, failed=failed))

    def _post(self, message: Message) -> None:
        self.mail.append((message, self.now))

    # --- one input --------------------------------------------------------------------------------------------------

    def deliver(self, message: Message, at: datetime) -> None:
        before = self.state
        self.state, orders = advance(before, message, at)
        self._same_again(before, message, at, canonical(self.state, orders))
        self.log.append((message, at))
        self.orders += orders
        self.now = max(self.now, at)
        self._learn(message, at)
        self._check(message, orders, was_closed=before is not None and before.status.closed)
        for order in orders:
            self._answer(order)

    def _same_again(self, before: AppealState | None, message: Message, at: datetime, decided: bytes) -> None:
        assert canonical(*advance(before, message, at)) == decided
        if before is not None:
            stored = AppealState.model_validate_json(before.model_dump_json())
            assert stored == before
            assert canonical(*advance(stored, message, at)) == decided

    def _learn(self, message: Message, at: datetime) -> None:
        self.told.latest = max(self.told.latest or at, at)
        match message:
            case say.MemberAnswered():
                self.told.answers[message.member_id] = message.answer
                late = self.told.closings and message.answer is Answer.YES and not message.told_closed
                if late and message.member_id not in self.told.screened:
                    self.told.waiting.add(message.member_id)
            case say.MemberScreened():
                self.told.screened[message.member_id] = message.matched
            case say.ShardSelected():
                self.told.selected.setdefault((message.wave, message.shard), message.members)
            case say.BatchSent():
                self._learn_outcomes(message)
            case say.UncertainSettled():
                for told in message.batches:
                    # What is said of a batch before its end is only counted by who reads the ledger.
                    if (batch := (message.wave, told.shard, told.batch)) in self.told.uncertain:
                        self.told.settled[batch] += told.delivered + told.failed
            case say.BatchRepeated():
                self.told.over |= {(message.wave, outcome.shard, outcome.batch) for outcome in message.batches}

    def _learn_outcomes(self, message: say.BatchSent) -> None:
        for outcome in message.batches:
            batch = (message.wave, outcome.shard, outcome.batch)
            if outcome.uncertain and batch not in self.told.reported:
                self.told.uncertain[batch] = (outcome.uncertain, self._known.moment)
            self.told.reported.add(batch)

    # --- what is promised -------------------------------------------------------------------------------------------

    def _check(self, message: Message, orders: list[Message], *, was_closed: bool) -> None:
        state, told = self._known, self.told
        assert state.moment == told.latest, "time is that of the newest input and never goes back"
        closings = [order for order in orders if isinstance(order, CLOSING)]
        if closings:
            rest = [order for order in orders if not isinstance(order, say.AppealLaunched)]
            assert isinstance(rest[0], SendingStopped), "the stop leaves before anything else"
            assert not any(isinstance(order, (*ASKING, say.AppealPaused, say.AppealResumed)) for order in orders)
            assert (len(told.confirmed()) >= self.launch.spec.need) == isinstance(closings[0], say.AppealFilled)
            assert isinstance(closings[0], say.AppealStopped) == isinstance(message, say.StopAppeal)
            told.closings += closings
            told.waiting |= told.open_yes()
        assert len(told.closings) == state.status.closed, "an appeal closes once"
        if was_closed:
            assert all(isinstance(order, say.MemberStoodDown | TellMembers) for order in orders)
        if not state.status.closed:
            assert len(told.confirmed()) < self.launch.spec.need
            assert state.moment < self.launch.deadline
        self._check_release(orders)
        for order in orders:
            if isinstance(order, TellMembers):
                told.stood_down.update(order.members)
        assert set(told.stood_down) == told.waiting
        assert not told.stood_down or max(told.stood_down.values()) == 1, "nobody is stood down twice"

    def _check_release(self, orders: list[Message]) -> None:
        told, size = self.told, self.launch.batch_size
        for order in orders:
            if isinstance(order, say.AppealPaused | say.AppealResumed):
                self.paused = isinstance(order, say.AppealPaused)
            assert not (self.paused and isinstance(order, ASKING)), "a paused appeal asks nobody"
            if isinstance(order, SendBatch):
                batch = (order.wave, order.shard, order.batch)
                assert batch not in told.released, "no batch leaves twice"
                assert order.batch * size < told.selected[order.wave, order.shard], "a batch has members"
                told.released.add(batch)
            if isinstance(order, ScanShard):
                opens = self.launch.spec.waves[order.wave - 1].after
                assert self._known.moment >= self._known.launched_at + opens, "no wave opens before its time"
            if isinstance(order, RepeatBatch):
                self._check_repeat((order.wave, order.shard, order.batch))
        under_way = len(told.released - told.reported) + len(told.repeated - told.over)
        assert under_way * size <= self.launch.release_ahead

    def _check_repeat(self, batch: Batch) -> None:
        told, spec = self.told, self.launch.spec
        assert spec.policy is Policy.RATHER_REPEAT, "under rather-miss nobody is asked twice"
        assert batch not in told.repeated, "nobody is asked a third time"
        members, since = told.uncertain[batch]
        assert told.settled[batch] < members, "somebody is still uncertain"
        assert self._known.moment >= since + spec.repeat_after, "receipts have their time first"
        told.repeated.add(batch)

    # --- how the others answer --------------------------------------------------------------------------------------

    def _answer(self, order: Message) -> None:
        match order:
            case ScanShard():
                self._post(self._count(order))
            case InviteShard():
                place = (order.wave, order.shard)
                # Some may have opted out since they were counted; once fixed, a selection stays as it is.
                self.selections.setdefault(place, order.limit - self.random.randint(0, min(2, order.limit)))
                self._post(selected(order.shard, self.selections[place], wave=order.wave))
            case SendBatch():
                self._report(order)
            case RepeatBatch():
                members, _ = self.told.uncertain[order.wave, order.shard, order.batch]
                sent = self.random.randint(0, members)
                self._post(repeated(order.shard, order.batch, wave=order.wave, sent=sent, spared=members - sent))

    def _count(self, order: ScanShard) -> Message:
        """Asked again, a shard may have changed in between."""
        bins = self.bins.setdefault((order.wave, order.shard), [self.random.randint(0, 25) for _ in range(3)])
        self.bins[order.wave, order.shard] = [max(0, number - self.random.randint(0, 1)) for number in bins]
        return counted(order.shard, *bins, wave=order.wave, excluded=self.random.randint(0, 9))

    def _report(self, order: SendBatch) -> None:
        """The batch is done, and after a crash its end is told once more together with an earlier one."""
        size = self.launch.batch_size
        members = min(size, self.selections[order.wave, order.shard] - order.batch * size)
        lost = 0 if self.calm or self.random.random() < 0.7 else self.random.randint(1, members)
        outcome = say.BatchOutcome(
            shard=order.shard, batch=order.batch, sent=members - lost, uncertain=lost, messages=members - lost
        )
        self._post(say.BatchSent(appeal_id=APPEAL, wave=order.wave, batches=(outcome,)))
        if order.batch and not self.calm and self.random.random() < 0.2:
            earlier = say.BatchOutcome(shard=order.shard, batch=order.batch - 1, sent=size, messages=size)
            if (order.wave, order.shard, order.batch - 1) in self.told.reported:
                self._post(say.BatchSent(appeal_id=APPEAL, wave=order.wave, batches=(earlier, outcome)))
