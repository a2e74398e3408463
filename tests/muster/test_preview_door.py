"""A running worker answers previews from what it holds in memory, and nobody has to rely on one."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from agents.audience import Audience
from muster.preview import preview
from muster.preview_ask import ask_worker, door_of
from muster.preview_door import PreviewDoor, answering_previews
from muster.preview_view import Preview
from muster.settings import Settings, read_settings
from registry.audience.index import AudienceIndex
from registry.audience.snapshots import Snapshots
from registry.database import Database
from registry.importing.run import import_members
from registry.migrate import create_or_check
from registry.opt_outs import opt_out
from rehearsal.generate import generate_members
from schemas.spec import AppealSpec
from tests.muster.house import NIGHT
from tests.registry.audience.test_snapshots import keep

NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)
SPEC = AppealSpec.model_validate(yaml.safe_load(NIGHT % ""))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(home=tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    create_or_check(settings.database, migrate=False)
    file = settings.home / "members.csv"
    generate_members(3000, seed=1, out=file)
    with Database(settings.database) as opened:
        import_members(opened, file, now=NOW, shards=settings.shards, announce=lambda *_: None)
        yield opened


async def the_door(settings: Settings, database: Database) -> PreviewDoor:
    audience = Audience(database, settings.shards)
    await audience.load_all()
    return PreviewDoor(settings, database, audience, lambda: NOW)


def test_without_a_worker_it_is_found_in_what_one_has_kept(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
):
    before = preview(database, SPEC, settings, NOW)
    folder = settings.members_folder
    assert folder is not None
    snapshots = Snapshots(folder, settings.shards)
    with database.transaction() as connection:
        keep(connection, snapshots, settings.shards)
        opt_out(connection, 1, at=NOW, source="test")
    after = preview(database, SPEC, settings, NOW)
    assert (after.members, after.excluded["opted_out"]) == (before.members, before.excluded.get("opted_out", 0) + 1)

    def read_all(*_: object) -> None:
        raise AssertionError("every member was read from the database")

    monkeypatch.setattr(AudienceIndex, "load_many", read_all)
    assert preview(database, SPEC, settings, NOW) == after


async def asked(settings: Settings) -> Preview | None:
    return await asyncio.to_thread(ask_worker, SPEC, settings)


async def test_a_worker_says_what_loading_the_members_would_and_hears_of_opt_outs(
    settings: Settings, database: Database
):
    async with answering_previews(await the_door(settings, database), settings):
        before = await asked(settings)
        assert before is not None
        assert before == preview(database, SPEC, settings, NOW)
        assert before.matched > 0
        with database.transaction() as connection:
            for member in range(1, 3001):
                opt_out(connection, member, at=NOW, source="test")
        after = await asked(settings)
    assert after is not None
    assert after == preview(database, SPEC, settings, NOW)
    assert (after.matched, after.excluded) == (0, {"opted_out": 3000})


async def test_without_a_worker_nobody_answers(settings: Settings, database: Database):
    assert await asked(settings) is None
    async with answering_previews(await the_door(settings, database), settings):
        pass
    assert await asked(settings) is None
    assert not door_of(settings).exists()


async def test_a_socket_that_a_killed_worker_left_is_taken_over_and_a_living_workers_is_not(
    settings: Settings, database: Database
):
    door = await the_door(settings, database)
    door_of(settings).touch()
    assert await asked(settings) is None
    async with answering_previews(door, settings):
        async with answering_previews(door, settings):
            assert await asked(settings) is not None
        assert await asked(settings) is not None


async def test_a_question_that_the_worker_cannot_answer_is_left_to_whoever_asked(
    settings: Settings, database: Database
):
    nowhere = AppealSpec.model_validate({**yaml.safe_load(NIGHT % ""), "districts": ["nowhere"]})
    async with answering_previews(await the_door(settings, database), settings):
        assert await asyncio.to_thread(ask_worker, nowhere, settings) is None
        assert await asked(settings) is not None


def test_each_database_of_a_home_has_its_own_worker(settings: Settings):
    other = settings.model_copy(update={"database": "postgresql://muster@127.0.0.1/other"})
    assert door_of(other) != door_of(settings)
