"""`muster replay` after a real story on either log: what stands there is what is decided again, and a forgery is found."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.replay import decide_again
from registry.database import Database
from schemas.appeals import AppealFilled
from schemas.outgoing import outgoing
from streams.publisher import open_publisher
from tests.muster.house import NIGHT, House, members_csv, page
from tests.servers.process import free_port

MEMBERS = 30


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    house = House(
        tmp_path / "home",
        {
            "MUSTER_SMS__SIMULATOR": "true",
            "MUSTER_SMS__PORT": str(free_port()),
            "MUSTER_DISPATCH__BATCH_SIZE": "1",  # many reports, in whatever order
        },
    )
    if request.param == "kafka":
        house.settings["MUSTER_LOG"] = request.getfixturevalue("kafka_url")
    table = members_csv(tmp_path / "members.csv", *({"mobile": f"1790000{n:04d}"} for n in range(1, MEMBERS + 1)))
    house.ask("members", "import", str(table))
    return house


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_night_is_decided_the_same_again_and_a_forged_fact_is_named(house: House):
    http = free_port()
    gateway = ("smsc-sim", "--port", house.settings["MUSTER_SMS__PORT"], "--http-port", str(http))
    with house.running(*gateway, ready=lambda: page(f"http://127.0.0.1:{http}/health") != ""), house.working():
        appeal = house.launch(NIGHT % "")
        until(lambda: house.ask("appeal", "status", appeal)["messages"] == MEMBERS)
        for order in ("pause", "resume"):
            house.ask("appeal", order, appeal)
            until(lambda order=order: house.ask("appeal", "status", appeal)["status"] == _STATUS[order])
        for member, answer in ((7, "yes"), (8, "yes"), (9, "no")):
            house.ask("answer", "record", answer, "--member", str(member))
        until(lambda: house.ask("appeal", "status", appeal)["accepted"] == 2)
        assert house.ask("replay", appeal, "--check")["equal"] is True, "in the middle of it, too"
        house.ask("confirm", appeal, "7")
        until(lambda: house.ask("appeal", "status", appeal)["status"] == "filled")

    facts = house.ask("replay", appeal, "--check")
    names = [fact["type"].removeprefix("muster.") for fact in facts["facts"]]
    assert names == ["appeal-launched", "wave-opened", "appeal-paused", "appeal-resumed", "appeal-filled"]
    assert (facts["equal"], facts["published"], facts["differences"]) == (True, 5, [])
    assert (facts["status"], facts["deciders"]) == ("filled", [1])
    assert "Equal to the 5 facts" in house.type("replay", appeal, "--check").out

    filled = facts["facts"][-1]
    _forge(house, appeal, filled["id"])
    typed = house.type("replay", appeal, "--check")
    assert typed.code == 1
    assert f"Offset {filled['offset']}: muster.appeal-filled differs in" in typed.out
    (found,) = json.loads(house.type("replay", appeal, "--check", "--json").out)["differences"]
    assert (found["offset"], found["id"]) == (filled["offset"], filled["id"])
    assert house.type("replay", appeal).code == 0, "without --check nothing is compared"


_STATUS = {"pause": "paused", "resume": "open"}


def _forge(house: House, appeal: str, event_id: str) -> None:
    """Somebody writes on the log that nobody was stood down."""
    log = house.settings.get("MUSTER_LOG", f"sqlite:///{house.home}/log.db")
    with Database(f"sqlite:///{house.home}/muster.db") as database:
        at = decide_again(database, log, appeal).again.facts[-1].time
    fact = AppealFilled(appeal_id=appeal, confirmed=1, unreleased=0, stood_down=())
    forged = outgoing("appeals", appeal, fact, event_id=event_id, source="/muster/appeals", time=at)
    publisher = open_publisher(log)
    try:
        publisher.publish([forged])
    finally:
        publisher.close()


def test_an_appeal_that_there_is_none_of_is_refused(tmp_path: Path):
    typed = House(tmp_path / "home").type("replay", "a-nobody-knows", "--check")
    assert typed.code == 3
    assert "a-nobody-knows" in typed.err
