"""An upgrade, worker by worker, while an appeal is sent: events have gained fields and types, and nothing is lost."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from registry.database import Database
from registry.ledger import CLAIMS
from streams.tail import read_to_end
from tests.muster.house import NIGHT, House, members_csv, page
from tests.stories.centre import gateway, on_servers, until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

INVITED, ANSWERS = 400, 12
TOMORROW = Path(__file__).parent / "tomorrow"
MOBILES = {f"1790000{n:04d}" for n in range(1, INVITED + 1)}


def test_an_older_and_a_newer_worker_share_an_appeal_and_nothing_is_lost(
    request: pytest.FixtureRequest, tmp_path: Path
):
    house = House(tmp_path / "home", {"MUSTER_DISPATCH__BATCH_SIZE": "10"})
    on_servers(house, request)
    house.ask("members", "import", str(members_csv(tmp_path / "m.csv", *({"mobile": n} for n in sorted(MOBILES)))))
    with gateway(house) as phones, house.working():
        of_the_older = f"http://127.0.0.1:{house.settings['MUSTER_METRICS_PORT']}"
        house.settings["PYTHONPATH"] = str(TOMORROW)
        with house.working():
            of_the_newer = f"http://127.0.0.1:{house.settings['MUSTER_METRICS_PORT']}"
            appeal = house.launch(NIGHT % "")
            until(lambda: len(phones.reached(f"mass/{appeal}/1")) == INVITED)
            for mobile in sorted(MOBILES)[:ANSWERS]:
                phones.say(mobile, "1", slot=1)
            until(lambda: house.ask("appeal", "status", appeal)["accepted"] == ANSWERS)
            assert phones.acknowledged(min(MOBILES))
            house.ask("confirm", appeal, "1")
            until(lambda: house.ask("appeal", "status", appeal)["status"] == "filled")
            until(lambda: house.ask("appeal", "status", appeal)["stood_down"] == ANSWERS - 1)
            assert page(of_the_newer), "the newer one has ended"
            until(lambda: _passed_over(page(of_the_older)) > 0)  # it met what only the newer one knows
        view = house.ask("appeal", "status", appeal)

        assert phones.reached(f"mass/{appeal}/1") == MOBILES
        assert json.loads(page(f"{phones.http}/doubled?reference=mass/{appeal}/1"))["doubled"] == []
        assert (view["messages"], view["uncertain"], view["withdrawn"]) == (INVITED, 0, 0)
        assert house.ask("dead-letters", "list")["dead_letters"] == []
    assert len(_claimed(house)) == 2, "only one of them has sent"
    assert {True, False} == asyncio.run(_with_the_field(house.settings["MUSTER_LOG"])), "only one of them has told"


def _passed_over(metrics: str) -> float:
    """How many events of unknown types a worker has passed over."""
    return sum(map(float, re.findall(r"^muster_streams_passed_over_total\{.*\} (\S+)", metrics, re.MULTILINE)))


def _claimed(house: House) -> Counter[str]:
    with Database(house.settings["MUSTER_DATABASE"]) as database, database.snapshot() as connection:
        return Counter(connection.execute(select(CLAIMS.c.owner).where(CLAIMS.c.wave == 1)).scalars())


async def _with_the_field(log_url: str) -> set[bool]:
    """Whether what dispatch told the decider has the new field: of some it should be so, of some not."""
    bodies = [json.loads(raw.value or b"{}") async for raw in read_to_end(log_url, "appeals")]
    return {"of_tomorrow" in body for body in bodies if body["type"] == "muster.batch-sent"}
