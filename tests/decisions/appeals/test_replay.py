"""Deciding again from the topic gives the same facts, byte for byte, and whatever is not the same is named."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings

from decisions.appeals.decide import advance, order_id
from decisions.appeals.replay import Entry, Fact, UnknownDecider, differences, published, replay
from decisions.appeals.state import AppealState
from schemas.appeals import Decided, LaunchAppeal
from schemas.envelope import Envelope
from schemas.reader import Message, read, write
from tests.decisions.appeals.samples import APPEAL, NIGHT, answered, counted, launch, screened, selected
from tests.decisions.appeals.test_world import QUIET, RANDOM, STEPS, launches
from tests.decisions.appeals.world import World


class Topic:
    """The topic of one appeal, as inputs and the decider's own facts come to stand on it."""

    def __init__(self, *, decide=advance) -> None:
        self.entries: list[Entry] = []
        self.state: AppealState | None = None
        self.decide = decide
        self._waiting: list[tuple[str, datetime, Message]] = []

    def hear(self, message: Message, at: datetime, *, name: str | None = None) -> None:
        """An input arrives and is decided; its facts are published some time later."""
        offset = len(self.entries)
        self._append(name or f"input-{offset}", at, message)
        self.state, orders = self.decide(self.state, message, at)
        when = self.state.moment if self.state else at
        self._waiting += [
            (order_id(APPEAL, offset, number), when, order)
            for number, order in enumerate(orders)
            if isinstance(order, Decided)
        ]

    def publish(self, count: int | None = None) -> None:
        ready, self._waiting = self._waiting[:count], self._waiting[len(self._waiting[:count]) :]
        for name, at, fact in ready:
            self._append(name, at, fact)

    def _append(self, name: str, at: datetime, message: Message) -> None:
        body = write(message)
        envelope = Envelope(id=name, source="/muster/tests", type=message.type, time=at)
        self.entries.append(Entry(len(self.entries), envelope, read(body), body))

    @property
    def facts(self) -> list[Fact]:
        return published(self.entries)


def told(*messages: Message) -> Topic:
    topic = Topic()
    for number, message in enumerate(messages):
        topic.hear(message, NIGHT + timedelta(seconds=number))
    topic.publish()
    return topic


def a_night() -> Topic:
    return told(
        launch(need=1),
        counted(0, 3),
        counted(1, 4),
        selected(0, 3),
        selected(1, 4),
        answered(7),
        answered(8),
        screened(7),
    )


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM, STEPS)
def test_whatever_happens_in_whatever_order_is_decided_the_same_again(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
    topic = Topic()
    for number, (message, at) in enumerate(world.log):
        topic.hear(message, at)
        if random.random() < 0.3:  # the log delivers again what it has delivered
            topic.entries.append(replace(random.choice(topic.entries), offset=len(topic.entries)))
        topic.publish(random.choice([0, 1, None]))
        assert number < len(topic.entries)
    topic.publish()
    facts = topic.facts
    again = replay(topic.entries, facts)
    assert differences(again.facts, facts) == []
    assert again.state == topic.state == world.state
    assert again.inputs == len(world.log)
    assert {fact.id for fact in again.facts} == {fact.id for fact in facts}


def test_a_night_has_its_facts():
    topic = a_night()
    again = replay(topic.entries, topic.facts)
    names = [fact.type.removeprefix("muster.") for fact in again.facts]
    assert names == ["appeal-launched", "wave-opened", "appeal-filled"]
    assert [fact.offset for fact in again.facts] == [0, 2, 7]
    assert again.deciders == (1,)
    assert differences(again.facts, topic.facts) == []


def test_a_fact_that_was_altered_is_named_with_its_offset_and_its_field():
    topic = a_night()
    altered = [
        replace(fact, body=fact.body.replace(b'"invited":7', b'"invited":9')) if fact.offset == 2 else fact
        for fact in topic.facts
    ]
    (found,) = differences(replay(topic.entries, altered).facts, altered)
    assert (found.offset, found.id) == (2, f"{APPEAL}:2:0")
    assert found.reason == "muster.wave-opened differs in: invited"


def test_a_fact_in_other_words_of_json_is_the_same_fact():
    topic = a_night()
    spaced = [replace(fact, body=fact.body.replace(b'":', b'" : ').replace(b",", b" ,\n")) for fact in topic.facts]
    assert differences(replay(topic.entries, spaced).facts, spaced) == []


def test_facts_without_a_version_are_those_of_the_first_rules():
    topic = a_night()
    old = [replace(fact, body=fact.body.replace(b'"decider":1,', b"")) for fact in topic.facts]
    assert all(b"decider" not in fact.body for fact in old)
    assert differences(replay(topic.entries, old).facts, old) == []


def test_a_fact_that_is_missing_or_too_much_or_late_is_named():
    topic = a_night()
    again = replay(topic.entries, topic.facts).facts
    assert [found.offset for found in differences(again, topic.facts[1:])] == [0]
    assert "never published" in differences(again, topic.facts[1:])[0].reason
    (more,) = differences(again[:-1], topic.facts)
    assert (more.offset, more.reason) == (7, "muster.appeal-filled was published and is not decided again")
    later = [replace(fact, time=fact.time + timedelta(seconds=1)) for fact in topic.facts]
    assert {found.reason.partition(" ")[2] for found in differences(again, later)} == {"differs in its time"}


def test_an_input_that_is_lost_changes_what_follows():
    topic = a_night()
    without = [entry for entry in topic.entries if entry.offset != 5]
    (found,) = differences(replay(without, topic.facts).facts, topic.facts)
    assert found.offset == 7


def test_each_input_is_decided_by_the_rules_that_its_facts_name():
    def generous(state, message, at):
        """The second version is content with what it has."""
        state, orders = advance(state, message, at)
        return state, [
            order.model_copy(update={"decider": 2, "invited": 0} if order.type == "muster.wave-opened" else {})
            for order in orders
        ]

    topic = Topic()
    topic.hear(launch(need=1), NIGHT)
    topic.decide = generous
    for message in (counted(0, 3), counted(1, 4), selected(0, 3), selected(1, 4)):
        topic.hear(message, NIGHT)
    topic.publish()
    again = replay(topic.entries, topic.facts, deciders={1: advance, 2: generous})
    assert again.deciders == (1, 2)
    assert differences(again.facts, topic.facts) == []
    with pytest.raises(UnknownDecider, match=r"offset 2 .* version 2"):
        replay(topic.entries, topic.facts)


def test_an_empty_topic_has_nothing_to_decide():
    again = replay([])
    assert (again.state, again.inputs, again.facts) == (None, 0, ())
