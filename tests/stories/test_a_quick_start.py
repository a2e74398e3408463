"""A worker starts from what an earlier one has kept of the members, and knows what has happened since."""

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path

from agents.audience import Audience
from agents.keeping import Keeper
from muster.settings import read_settings
from registry.audience.snapshots import Snapshots
from registry.database import Database
from tests.muster.house import NIGHT, House, members_csv

PEOPLE = 40


async def keep_all(house: House) -> None:
    """What a worker does in its first minute."""
    settings = read_settings(home=house.home)
    assert settings.members_folder is not None
    with Database(settings.database) as database:
        keeper = Keeper(
            database,
            Snapshots(settings.members_folder, settings.shards),
            now=lambda: datetime.now(UTC),
            new_id=lambda: uuid.uuid4().hex,
        )
        audience = Audience(database, settings.shards, keeper=keeper)
        await audience.load_all()
        indexes = {shard: await audience.caught_up(shard) for shard in range(settings.shards)}
        while await keeper.keep(indexes):
            pass


def test_a_worker_starts_from_disk_and_an_opt_out_since_is_respected(tmp_path: Path):
    house = House(tmp_path / "home")
    rows = [{"mobile": f"179000000{number:02}"} for number in range(PEOPLE)]
    house.ask("members", "import", str(members_csv(tmp_path / "members.csv", *rows)))
    asyncio.run(keep_all(house))
    house.ask("members", "opt-out", "1")
    spec = tmp_path / "spec.yaml"
    spec.write_text(NIGHT % "", encoding="utf-8")
    with house.working():
        found = house.ask("appeal", "preview", str(spec))
    (log,) = tmp_path.glob("worker-*.log")
    assert '"from_disk": 8' in log.read_text("utf-8")
    assert (found["members"], found["matched"], found["excluded"]) == (PEOPLE, PEOPLE - 1, {"opted_out": 1})
