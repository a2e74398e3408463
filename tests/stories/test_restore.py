"""The machine is lost in the middle of an appeal and a backup of some moments before is brought back: nobody is asked
twice, and whoever was invited is afterwards recorded, uncertain by name, or still to be asked.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select

from decisions.appeals.state import read_state
from registry import appeals, ledger, selections, uncertain
from registry.database import Database
from registry.ledger import Fate
from registry.members import MEMBERS
from tests.muster.house import NIGHT, House, members_csv, page
from tests.servers.process import free_port
from tests.stories.centre import until, until_quiet

INVITED = 2_000
RATE = 400  # messages a second, so that there is a middle of the appeal
LATENCY_MS = 300
WINDOW = 200
LATER = "\n  - {blood: known, after: 1h}"


@dataclass(frozen=True)
class Witness:
    """What the gateway itself has seen of one appeal."""

    url: str
    appeal: str = ""

    def _ask(self, path: str) -> dict:
        found: dict = json.loads(page(f"{self.url}{path}"))
        return found

    def seen(self) -> int:
        found = self._ask("/counts")["references"].get(f"mass/{self.appeal}/1", {})
        return int(found.get("numbers", 0))

    def numbers(self) -> set[str]:
        return set(page(f"{self.url}/numbers?reference={quote(f'mass/{self.appeal}/1')}").split())

    def doubled(self) -> list:
        listed: list = self._ask(f"/doubled?reference=mass/{self.appeal}/1")["doubled"]
        return listed


@contextmanager
def machine(folder: Path, **settings: str) -> Iterator[tuple[House, str]]:
    """Members, and a gateway that outlives the machine."""
    house = House(folder / "home", {"MUSTER_SMS__SIMULATOR": "true", "MUSTER_SMS__PORT": str(free_port()), **settings})
    house.settings |= {
        "MUSTER_SMS__RATE": str(RATE),
        "MUSTER_SMS__WINDOW": str(WINDOW),
        "MUSTER_DISPATCH__BATCH_SIZE": "100",
    }
    table = members_csv(folder / "members.csv", *({"mobile": f"1790000{n:04d}"} for n in range(1, INVITED + 1)))
    house.ask("members", "import", str(table))
    http = free_port()
    url = f"http://127.0.0.1:{http}"
    words = ("smsc-sim", "--port", house.settings["MUSTER_SMS__PORT"], "--http-port", str(http))
    slow = ("--latency-ms", str(LATENCY_MS), "--receipts", "0")
    with house.running(*words, *slow, ready=lambda: page(f"{url}/health") != ""):
        yield house, url


def lost_in_mid_appeal(house: House, url: str, backup: Path) -> Witness:
    """An appeal is launched, a backup made while it is sent, and a while later the machine is gone."""
    with house.working() as worker:
        witness = Witness(url, house.launch(NIGHT % "" + LATER))
        until(lambda: witness.seen() > INVITED // 5)
        made = house.ask("backup", str(backup))
        assert made["bytes"] == backup.stat().st_size
        at_the_backup = witness.seen()
        until(lambda: witness.seen() > at_the_backup + INVITED // 5)
        worker.kill()
    shutil.rmtree(house.home)
    assert until_quiet(witness.seen, seconds=0.5) < INVITED, "nothing was left to be asked"
    return witness


@dataclass(frozen=True)
class Standing:
    """Everybody who was invited, by what the ledger says."""

    recorded: dict[Fate, set[str]]
    untouched: set[str]

    def named(self, fate: Fate) -> set[str]:
        return self.recorded.get(fate, set())


def standing(house: House, appeal: str) -> Standing:
    """By number, as the witness counts."""
    with Database(house.database) as database, database.snapshot() as connection:
        mobiles = {
            row.id: row.mobile.removeprefix("+86") for row in connection.execute(select(MEMBERS.c.id, MEMBERS.c.mobile))
        }
        size = uncertain.batch_size(connection, appeal)
        recorded: dict[Fate, set[str]] = {}
        untouched: set[str] = set()
        for wave, shard in selections.sizes(connection, appeal):
            members = selections.members(connection, appeal, wave, shard).tolist()
            for number in range(-(-len(members) // size)):
                meant = [mobiles[member] for member in members[number * size : (number + 1) * size]]
                left = set(meant)
                for record in ledger.records_of(connection, f"{appeal}/{wave}/{shard}/{number}"):
                    for place, fate in enumerate(record.fates, start=record.range.first):
                        recorded.setdefault(Fate(fate), set()).add(meant[place])
                        left.discard(meant[place])
                untouched |= left
    return Standing(recorded, untouched)


def nobody_is_forgotten(house: House, witness: Witness) -> Standing:
    found = standing(house, witness.appeal)
    everybody = set().union(found.untouched, *found.recorded.values())
    assert len(everybody) == INVITED
    assert sum(map(len, found.recorded.values())) + len(found.untouched) == INVITED, "somebody is told twice"
    assert not found.untouched & witness.numbers(), "somebody who was asked would be asked again"
    return found


def goes_on(house: House, witness: Witness) -> Standing:
    """A worker starts, and sends nothing before somebody says so; then it asks whoever is left, and the appeal ends."""
    before = witness.seen()
    with house.working():
        until(lambda: house.ask("appeal", "status", witness.appeal)["status"] == "paused")
        assert until_quiet(witness.seen, seconds=1) == before, "a paused appeal sent"
        house.ask("appeal", "resume", witness.appeal)
        until(lambda: not standing(house, witness.appeal).untouched)
        until(lambda: _in_flight(house, witness.appeal) == 0)
        assert house.ask("replay", witness.appeal, "--check")["equal"] is True
    assert witness.doubled() == []
    return nobody_is_forgotten(house, witness)


def _in_flight(house: House, appeal: str) -> int:
    """How many members the decider still waits for: were it some, it would release fewer others."""
    with Database(house.database) as database, database.snapshot() as connection:
        stored = appeals.load_state(connection, appeal)
        assert stored is not None
        return read_state(stored.state or "").in_flight()


@pytest.mark.slow
def test_without_a_ledger_copy_whoever_had_no_record_is_named_and_nobody_is_asked_twice(tmp_path: Path):
    backup = tmp_path / "muster.backup"
    with machine(tmp_path) as (house, url):
        witness = lost_in_mid_appeal(house, url, backup)
        told = house.ask("restore", str(backup))
        (appeal,) = told["appeals"]
        assert (told["with_copy"], appeal["to_ask"], appeal["given_up"]) == (False, 0, [])
        found = nobody_is_forgotten(house, witness)
        assert len(found.named(Fate.UNCERTAIN)) == appeal["uncertain"] > 0
        assert len(_listed(house, witness.appeal)) == appeal["uncertain"]
        assert witness.numbers() <= found.named(Fate.SENT) | found.named(Fate.UNCERTAIN)
        assert goes_on(house, witness) == found


@pytest.mark.slow
def test_with_a_ledger_copy_only_those_are_named_who_were_claimed_and_the_others_are_asked(tmp_path: Path):
    backup = tmp_path / "muster.backup"
    with machine(tmp_path, MUSTER_LEDGER_COPY=str(tmp_path / "second")) as (house, url):
        witness = lost_in_mid_appeal(house, url, backup)
        at_the_death = witness.numbers()
        told = house.ask("restore", str(backup))
        (appeal,) = told["appeals"]
        assert (told["with_copy"], appeal["given_up"]) == (True, [])
        found = nobody_is_forgotten(house, witness)
        assert len(found.untouched) == appeal["to_ask"] > 0
        # Everybody named was asked, but for one window at most.
        assert len(found.named(Fate.UNCERTAIN) - at_the_death) <= WINDOW
        assert at_the_death <= found.named(Fate.SENT) | found.named(Fate.UNCERTAIN)
        after = goes_on(house, witness)
        assert after.named(Fate.UNCERTAIN) == found.named(Fate.UNCERTAIN)
        assert after.named(Fate.SENT) == found.named(Fate.SENT) | found.untouched
        assert found.untouched <= witness.numbers()


def _listed(house: House, appeal: str) -> list[int]:
    return [entry["member_id"] for entry in house.ask("appeal", "status", appeal, "--uncertain")["uncertain"]]
