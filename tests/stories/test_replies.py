"""Members answer by real messages: which appeal they mean, how they type, and what a person must read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import replies
from registry.database import Database
from tests.muster.house import NIGHT, House, members_csv
from tests.stories.centre import Gateway, gateway, until, until_quiet

ANN, BO, CAI, DAN, EVE = (f"1790000000{n}" for n in range(1, 6))
EVERYBODY = (ANN, BO, CAI, DAN, EVE)
STRANGER = "17900000099"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "home")
    table = members_csv(tmp_path / "members.csv", *({"mobile": mobile} for mobile in EVERYBODY))
    assert house.ask("members", "import", str(table))["added"] == 5
    return house


@pytest.fixture
def phones(house: House) -> Iterator[Gateway]:
    with gateway(house) as phones, house.working():
        yield phones


def desk(house: House) -> list[tuple[str, str]]:
    """What waits for a person: the words, and why."""
    with Database(f"sqlite:///{house.home}/muster.db") as database, database.snapshot() as connection:
        return [(row.words, row.desk) for row in replies.waiting_for_a_person(connection)]


def answers(house: House, appeal: str) -> tuple[int, int]:
    status = house.ask("appeal", "status", appeal)
    return status["accepted"], status["declined"]


def test_answers_count_for_the_appeal_that_is_meant_and_the_rest_waits_for_a_person(house: House, phones: Gateway):
    first, second = (house.launch(NIGHT % "") for _ in range(2))
    until(lambda: all(len(phones.texts(mobile, "mass/")) == 2 for mobile in (ANN, BO, CAI, DAN, EVE)))

    phones.say(ANN, "１", slot=1)
    phones.say(ANN, "２。", slot=2)
    phones.say(BO, "　１　", slot=2)
    phones.say(CAI, "退订", slot=1)
    phones.say(DAN, "我弟弟可能行？", slot=1)
    phones.say(EVE, "\x00", slot=2)  # nobody typed this, and nothing must choke on it
    phones.say(STRANGER, "1", slot=1)

    phones.acknowledged(ANN, 2)
    for mobile in (BO, CAI, DAN, EVE, STRANGER):
        phones.acknowledged(mobile)
    assert answers(house, first) == (1, 0)
    assert answers(house, second) == (1, 1)
    assert sorted(desk(house)) == [("1", "unknown-number"), ("我弟弟可能行？", "question"), ("\ufffd", "unclear")]

    # Who opted out is asked by nothing that comes later.
    third = house.launch(NIGHT % "")
    until(lambda: len(phones.texts(EVE, "mass/")) == 3)
    until(lambda: house.ask("appeal", "status", third)["messages"] == 4)
    assert [len(phones.texts(mobile, "mass/")) for mobile in (ANN, BO, CAI, DAN)] == [3, 3, 2, 3]


def test_an_opt_out_holds_for_a_selection_that_was_made_and_has_not_been_sent(house: House, tmp_path: Path):
    """Some of the selected are asked, then nobody for a while, in which one of the others wants to hear no more."""
    house.settings |= {"MUSTER_SMS__RATE": "4", "MUSTER_SMS__WINDOW": "1"}
    more = [f"179000001{n:02d}" for n in range(25)]
    # The first five members have new numbers in this table.
    house.ask("members", "import", str(members_csv(tmp_path / "more.csv", *({"mobile": mobile} for mobile in more))))
    with gateway(house) as phones, house.working():
        appeal = house.launch(NIGHT % "")
        until(lambda: phones.reached(f"mass/{appeal}/1"))
        house.ask("appeal", "pause", appeal)
        until(lambda: house.ask("appeal", "status", appeal)["status"] == "paused")
        asked = until_quiet(lambda: phones.reached(f"mass/{appeal}/1"), seconds=1)
        silent = next(mobile for mobile in more if mobile not in asked)
        phones.say(silent, "TD", slot=1)
        phones.acknowledged(silent)

        house.ask("appeal", "resume", appeal)
        # Messages are counted while a batch is under way, and whom it passed over when it is done.
        until(lambda: house.ask("appeal", "status", appeal)["messages"] == 24)
        status = until(lambda: (found := house.ask("appeal", "status", appeal))["opted_out"] and found)
        assert (status["invited"], status["messages"], status["opted_out"]) == (25, 24, 1)
        assert len(asked) < 24
        assert phones.reached(f"mass/{appeal}/1") == set(more) - {silent}
