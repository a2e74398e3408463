"""What both logs promise while nobody dies.  One worker with two reactions serves all these cases, each with its keys."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from streams.dead_letters import all_letters
from tests.muster.house import House
from tests.servers.process import ServerProcess
from tests.streams.conftest import new_case
from tests.streams.contract import Case

REACTIONS = ("one", "other")


@dataclass(frozen=True)
class Served:
    """A case whose worker runs."""

    case: Case
    worker: ServerProcess

    def handle(self, *names: str, key: str, value: bytes | None = None) -> None:
        """Publish, and wait until both reactions have come to the end of the last one."""
        self.case.publish(*names, key=key, **({} if value is None else {"value": value}))
        self.case.wait(self.worker, lambda: all(names[-1] in self.names_of(name, key) for name in REACTIONS))

    def names_of(self, reaction: str, key: str) -> list[str]:
        return self.case.names_of(reaction, key)


@pytest.fixture(scope="module")
def served(log: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with (
        new_case(log, tmp_path_factory.mktemp("case")) as case,
        case.worker(reactions=REACTIONS, busy=("b1",)) as worker,
    ):
        yield Served(case, worker)


def test_the_events_of_a_key_come_in_their_order(served: Served):
    every = {key: [f"{key}{n}" for n in range(20)] for key in ("k", "l", "m", "n", "o")}
    for n in range(20):
        for key, names in every.items():
            served.case.publish(names[n], key=key)
    for key, names in every.items():
        served.handle("last-" + key, key=key)
        assert served.names_of("one", key) == [*names, "last-" + key]


def test_two_reactions_on_one_topic_both_see_everything(served: Served):
    names = [f"both{n}" for n in range(20)]
    served.handle(*names, key="both")
    assert [served.names_of(reaction, "both") for reaction in REACTIONS] == [names, names]


def test_a_busy_reaction_is_tried_again_before_the_next_event(served: Served):
    served.handle("b0", "b1", "b2", key="busy")
    tries = [(fact["event"], fact["tries"]) for fact in served.case.seen() if fact["key"] == "busy"]
    assert sorted(tries) == [("b0", 1)] * 2 + [("b1", 3)] * 2 + [("b2", 1)] * 2
    assert served.names_of("one", "busy") == ["b0", "b1", "b2"]


def test_events_of_a_newer_type_are_passed_over_however_many_in_a_row(served: Served):
    newer = json.dumps({"type": "muster.not-yet-thought-of", "word": "new"}).encode()
    served.case.publish(*[f"newer{n}" for n in range(300)], key="newer", value=newer)
    served.handle("known", key="newer")
    assert served.names_of("one", "newer") == ["known"]
    assert [letter for letter in all_letters(served.case.plan.log) if letter.raw.key == b"newer"] == []


def test_what_cannot_be_read_becomes_a_dead_letter_and_the_worker_goes_on(served: Served, house: House):
    topic, broken = served.case.plan.topic, b'{"type": "muster.tick", "due": "13800138000"}'
    served.case.publish("broken", key="letter", value=broken)
    served.handle("whole", key="letter")
    (letter,) = _letters(house, topic)

    where, partition, offset = letter["id"].rsplit("/", 2)
    assert (where, int(partition), int(offset)) == (topic, letter["partition"], letter["offset"])
    assert "appeal_id: missing" in letter["reason"]
    assert "13800138000" not in letter["reason"]
    assert datetime.now(UTC) - datetime.fromisoformat(letter["time"]) < timedelta(minutes=5)
    assert house.ask("dead-letters", "show", letter["id"])["value"] == broken.decode()

    house.ask("dead-letters", "retry", letter["id"])
    served.handle("after the retry", key="letter")
    old, new = _letters(house, topic)
    assert (old["id"], old["retried"]) == (letter["id"], True)
    assert (new["offset"], new["partition"], new["retried"]) == (letter["offset"] + 2, letter["partition"], False)
    assert house.type("dead-letters", "retry", letter["id"]).code == 3


def _letters(house: House, topic: str) -> list[dict]:
    return [letter for letter in house.ask("dead-letters", "list")["dead_letters"] if letter["topic"] == topic]


@pytest.fixture(scope="module")
def house(log: str, tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house") / "home", {"MUSTER_LOG": log})
