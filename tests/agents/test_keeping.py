"""A worker keeps what it knows of members on disk, and keeps nobody there who asked to be forgotten."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from agents import keeping
from agents.audience import Audience
from agents.keeping import Keeper
from decisions.shards import shard_of
from registry.audience.snapshots import Snapshots
from registry.database import Database
from registry.erasure import erase
from registry.metadata import METADATA
from tests.registry.audience.people import NOW, Person, store
from tests.registry.audience.test_following import change

SHARDS = 3
MEMBERS = 60
NUMBERS = count()


class Over(Exception):
    """Ends what never ends."""


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    with Database(empty_url) as opened:
        with opened.transaction() as connection:
            METADATA.create_all(connection)
            store(connection, [Person() for _ in range(MEMBERS)])
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "members"


@pytest.fixture
def blocked(folder: Path) -> Path:
    """A file stands where the folder should."""
    folder.write_text("?")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def held_in(folder: Path, member: int) -> bool:
    """Whether a file has this member."""
    with np.load(folder / f"{shard_of(member, SHARDS)}.npz") as file:
        return member in file["id"].tolist()


async def work(database: Database, folder: Path, rounds: int, between: Callable[[], None] = lambda: None) -> int:
    """A worker that starts and follows the registry so many times; how many of its shards came from disk."""
    left = iter(range(rounds))

    async def sleep(_: float) -> None:
        if next(left, None) is None:
            raise Over
        between()

    keeper = Keeper(database, Snapshots(folder, SHARDS), now=lambda: NOW, new_id=lambda: f"mark-{next(NUMBERS)}")
    audience = Audience(database, SHARDS, keeper=keeper, sleep=sleep)
    with capture_logs() as lines:
        await audience.load_all()
    with suppress(Over):
        await audience.follow()
    return next(line["from_disk"] for line in lines if line["event"] == "the members are loaded")


async def test_a_shard_is_written_each_round_and_the_next_worker_starts_from_them(database: Database, folder: Path):
    assert await work(database, folder, 2) == 0
    assert files(folder) == ["0.npz", "1.npz"]
    assert await work(database, folder, 1) == 2
    assert files(folder) == ["0.npz", "1.npz", "2.npz"]
    assert await work(database, folder, 0) == 3


async def test_it_is_written_again_only_when_much_has_changed(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeping, "_FEW", 2)
    await work(database, folder, SHARDS)
    snapshots = Snapshots(folder, SHARDS)
    first = snapshots.revision(0)
    mine = [member for member in range(1, MEMBERS + 1) if shard_of(member, SHARDS) == 0]

    def some_change(number: int) -> None:
        with database.transaction() as connection:
            for member in mine[:number]:
                change(connection, member, Person(email=True))

    some_change(2)
    await work(database, folder, 1)
    assert snapshots.revision(0) == first
    changes = iter((3, 0, 0))
    await work(database, folder, 3, between=lambda: some_change(next(changes)))
    assert snapshots.revision(0) != first


async def test_who_is_erased_leaves_the_disk_with_the_next_round_and_others_stay(database: Database, folder: Path):
    await work(database, folder, SHARDS)
    assert held_in(folder, 4)

    def forget() -> None:
        with database.transaction() as connection:
            erase(connection, 4, at=NOW)

    assert await work(database, folder, 1, between=forget) == SHARDS
    assert not held_in(folder, 4)  # written again in the same round, as the one that was missing
    assert files(folder) == ["0.npz", "1.npz", "2.npz"]
    assert await work(database, folder, 0) == SHARDS


async def test_who_was_erased_while_no_worker_ran_leaves_the_disk_when_one_starts(database: Database, folder: Path):
    await work(database, folder, SHARDS)
    with database.transaction() as connection:
        erase(connection, 4, at=NOW)
    assert await work(database, folder, 0) == SHARDS
    assert f"{shard_of(4, SHARDS)}.npz" not in files(folder)
    await work(database, folder, 1)
    assert not held_in(folder, 4)


async def test_a_worker_does_without_when_the_folder_cannot_be_used(database: Database, blocked: Path):
    with capture_logs() as lines:
        assert await work(database, blocked, 2) == 0
    told = [line for line in lines if line["log_level"] == "warning"]
    assert [line["event"] for line in told] == ["members cannot be kept on disk"] * 2
    assert str(blocked) in str(told[0]["file"])
