"""A link is cut while the gateway owes every answer: who is uncertain is named, settled by receipts, and asked a second
time only where the officer chose so.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.muster.house import NIGHT, House, members_csv, page
from tests.servers.process import free_port

MEMBERS = 40
RATHER_REPEAT = "\npolicy: rather-repeat\nrepeat_after: 30s\n"


@dataclass(frozen=True)
class Gateway:
    """The simulator, asked over HTTP: the independent witness."""

    url: str

    def ask(self, path: str) -> dict:
        found: dict = json.loads(page(f"{self.url}{path}"))
        return found

    def tell(self, path: str, body: dict | None = None) -> None:
        with urlopen(Request(f"{self.url}{path}", data=json.dumps(body or {}).encode(), method="POST"), timeout=10):
            pass

    def seen(self, appeal: str) -> int:
        found = self.ask("/counts")["references"].get(f"mass/{appeal}/1", {})
        return int(found.get("numbers", 0))

    def doubled(self, appeal: str) -> dict[str, int]:
        listed = self.ask(f"/doubled?reference=mass/{appeal}/1")["doubled"]
        return {entry["number"]: entry["times"] for entry in listed}


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


@contextmanager
def rehearsal(folder: Path, *, receipts: float) -> Iterator[tuple[House, Gateway]]:
    """Members and a gateway that brings this share of the receipts; nobody works yet."""
    clock = {"MUSTER_CLOCK__START": datetime.now(UTC).isoformat(), "MUSTER_CLOCK__SPEED": "30"}
    # The last of them leave when the first have waited so long in vain.
    gateway = {"MUSTER_SMS__PORT": str(free_port()), "MUSTER_SMS__RESPONSE_SECONDS": "3"}
    house = House(folder / "home", {"MUSTER_SMS__SIMULATOR": "true", **gateway, **clock})
    table = members_csv(folder / "members.csv", *({"mobile": f"1790000{n:04d}"} for n in range(1, MEMBERS + 1)))
    house.ask("members", "import", str(table))
    http = free_port()
    witness = Gateway(f"http://127.0.0.1:{http}")
    words = ("smsc-sim", "--port", house.settings["MUSTER_SMS__PORT"], "--http-port", str(http))
    with house.running(*words, "--receipts", str(receipts), ready=lambda: page(f"{witness.url}/health") != ""):
        yield house, witness


@pytest.mark.slow
def test_who_is_uncertain_is_named_settled_and_asked_again_only_where_the_officer_chose_so(tmp_path: Path):
    with rehearsal(tmp_path, receipts=0.5) as (house, gateway), house.working():
        missed = _cut_off(house, gateway, NIGHT % "")
        repeated = _cut_off(house, gateway, NIGHT % "" + RATHER_REPEAT)
        house.ask("appeal", "pause", repeated)
        for appeal in (missed, repeated):
            _settled_by_receipts(house, gateway, appeal)
        assert gateway.doubled(repeated) == {}

        named = _uncertain(house, repeated)
        left = _uncertain(house, missed)
        answers, others = named[0], named[1:]
        house.ask("answer", "record", "no", "--member", str(answers), "--appeal", repeated)
        until(lambda: house.ask("appeal", "status", repeated)["declined"] == 1)
        house.ask("appeal", "resume", repeated)
        until(lambda: house.ask("appeal", "status", repeated)["asked_again"] == len(others))

        assert gateway.doubled(repeated) == {_number(member): 2 for member in others}
        assert gateway.doubled(missed) == {}
        assert _uncertain(house, repeated) == []
        assert _uncertain(house, missed) == left
        shown = house.type("appeal", "status", missed).out
        assert f"{len(left)} uncertain" in shown
        assert "settled by receipts" in shown
        assert house.ask("replay", repeated, "--check")["equal"] is True


@pytest.mark.slow
def test_whom_a_killed_worker_leaves_uncertain_is_asked_once_more_by_its_successor(tmp_path: Path):
    with rehearsal(tmp_path, receipts=0) as (house, gateway):
        with house.working() as worker:
            gateway.tell("/misbehave", {"latency_ms": 600_000})
            appeal = house.launch(NIGHT % "" + RATHER_REPEAT)
            until(lambda: gateway.seen(appeal) == MEMBERS)
            worker.kill()
        gateway.tell("/misbehave")
        assert gateway.doubled(appeal) == {}
        with house.working():
            until(lambda: house.ask("appeal", "status", appeal)["asked_again"] == MEMBERS)
            assert gateway.doubled(appeal) == {_number(member): 2 for member in range(1, MEMBERS + 1)}
            assert _uncertain(house, appeal) == []
            facts = house.ask("replay", appeal, "--check")
            assert facts["equal"] is True
            assert [fact["type"] for fact in facts["facts"]].count("muster.repeat-ordered") >= 1


def _cut_off(house: House, gateway: Gateway, spec: str) -> str:
    """An appeal of which the gateway has taken every message and answered none when the links break."""
    gateway.tell("/misbehave", {"latency_ms": 600_000})
    appeal = house.launch(spec)
    until(lambda: gateway.seen(appeal) == MEMBERS)
    gateway.tell("/misbehave")
    gateway.tell("/drop")
    until(lambda: sum(_standing(house, appeal)) == MEMBERS)
    return appeal


def _standing(house: House, appeal: str) -> tuple[int, int]:
    status = house.ask("appeal", "status", appeal)
    return status["uncertain"], status["settled"]


def _settled_by_receipts(house: House, gateway: Gateway, appeal: str) -> None:
    """All receipts that come have come, and each has settled one member."""
    time.sleep(3)  # a minute and a half of appeal time: eleven medians
    until(lambda: gateway.ask("/counts")["deliver"]["waiting"] == 0)
    receipts: list[int] = []

    def all_joined() -> bool:
        receipts.append(_standing(house, appeal)[1])
        return len(receipts) > 15 and len(set(receipts[-15:])) == 1

    until(all_joined)
    uncertain, settled = _standing(house, appeal)
    assert settled > 0
    assert uncertain > 1
    assert uncertain + settled == MEMBERS


def _uncertain(house: House, appeal: str) -> list[int]:
    return [entry["member_id"] for entry in house.ask("appeal", "status", appeal, "--uncertain")["uncertain"]]


def _number(member: int) -> str:
    return f"1790000{member:04d}"
