"""`muster backup` and `muster restore`: one moment in one file, and nothing is ever written over."""

import json
import os
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from agents.doors import SOURCE
from agents.relay import relay_once
from agents.routes import post
from muster import backup
from muster.backup import DATABASE, LOG, MANIFEST
from muster.settings import Settings
from registry import outbox
from registry.database import Database, open_engine
from registry.migrate import versions
from registry.upgrading import configuration
from schemas.dispatch import SendingPaused
from streams.embedded.publisher import EmbeddedPublisher
from streams.embedded.store import Store
from streams.embedded.transport import _hold
from tests.decisions.appeals.samples import NIGHT
from tests.muster.house import House, members_csv

NEWEST = max(versions())


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One member is known, and the log has its topics."""
    made = House(tmp_path / "home")
    made.ask("members", "import", str(members_csv(tmp_path / "members.csv", {"mobile": "17900000001"})))
    made.ask("topics", "create")
    return made


@pytest.fixture
def file(house: House, tmp_path: Path) -> Path:
    """A backup of that house."""
    path = tmp_path / "night.backup"
    house.ask("backup", str(path))
    return path


@pytest.fixture
def empty(tmp_path: Path) -> House:
    """Another machine, on which nothing has been started."""
    return House(tmp_path / "other")


def test_a_backup_comes_back_on_another_machine(file: Path, empty: House):
    told = empty.ask("restore", str(file))
    assert (told["database_version"], told["appeals"], told["forgotten"]) == (NEWEST, [], [])
    assert sorted(path.name for path in empty.home.iterdir() if path.suffix != ".lock") == [LOG, DATABASE]
    assert empty.ask("members", "show", "1")["mobile"] == "+8617900000001"
    assert empty.ask("topics", "check")["differences"] == []


def test_only_its_owner_may_read_it(file: Path):
    assert file.stat().st_mode & 0o077 == 0


def test_nothing_of_a_backup_is_left_beside_it(file: Path):
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_backup_is_never_written_over(house: House, file: Path):
    before = file.read_bytes()
    typed = house.type("backup", str(file))
    assert (typed.code, "never written over" in typed.err) == (3, True)
    assert file.read_bytes() == before


def test_where_nothing_was_started_there_is_nothing_to_back_up(empty: House, tmp_path: Path):
    typed = empty.type("backup", str(tmp_path / "night.backup"))
    assert (typed.code, "nothing has been started" in typed.err) == (3, True)
    assert not empty.home.exists()


def test_a_folder_that_is_not_there_is_named(house: House, tmp_path: Path):
    typed = house.type("backup", str(tmp_path / "nowhere" / "night.backup"))
    assert (typed.code, "nowhere" in typed.err) == (2, True)


@pytest.mark.parametrize("words", [("backup", "x"), ("restore", "x")])
def test_servers_have_means_of_their_own(house: House, words: tuple[str, str]):
    typed = house.type(*words, MUSTER_LOG="kafka://127.0.0.1:9092")
    assert (typed.code, "pg_dump" in typed.err) == (3, True)


@pytest.mark.parametrize("name", [LOG, DATABASE, f"{LOG}-wal", f"{DATABASE}-wal"])
def test_a_state_is_never_written_over_nor_mixed_with_what_is_left_of_one(empty: House, file: Path, name: str):
    empty.home.mkdir()
    (empty.home / name).write_bytes(b"somebody's")
    typed = empty.type("restore", str(file))
    assert (typed.code, f"{name} is there" in typed.err) == (3, True)
    assert [path.name for path in empty.home.iterdir() if path.suffix != ".lock"] == [name]


def test_a_worker_that_runs_is_not_disturbed(empty: House, file: Path):
    empty.home.mkdir()
    with closing(_hold(empty.home / LOG, "muster")):
        typed = empty.type("restore", str(file))
    assert (typed.code, "a worker already runs" in typed.err) == (3, True)


CHANGES = [
    ("a format to come", {"format": 2}, 3, "format 2"),
    ("a log to come", {"log_version": 9}, 3, "log version 9"),
    ("a database to come", {"database_version": "9999"}, 3, "database version 9999"),
    ("other bytes", {"sha256": {LOG: "0"}}, 2, "not what was backed up"),
    ("no manifest of ours", {"made_at": "once"}, 2, "cannot be read"),
]


@pytest.mark.parametrize(
    ("change", "code", "reason"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_a_backup_that_cannot_be_understood_leaves_nothing(
    empty: House, file: Path, change: dict, code: int, reason: str
):
    _tell_otherwise(file, change)
    typed = empty.type("restore", str(file))
    assert (typed.code, reason in typed.err) == (code, True), typed.err
    assert [path.name for path in empty.home.iterdir() if path.suffix != ".lock"] == []


def _tell_otherwise(file: Path, change: dict) -> None:
    with tarfile.open(file) as tar:
        kept = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    kept[MANIFEST] = json.dumps(json.loads(kept[MANIFEST]) | change).encode()
    with tarfile.open(file, "w") as tar:
        for name, content in kept.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, BytesIO(content))


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_half_a_backup_is_none(empty: House, file: Path, kept: float):
    os.truncate(file, int(file.stat().st_size * kept))
    typed = empty.type("restore", str(file))
    assert typed.code == 2
    assert [path.name for path in empty.home.iterdir() if path.suffix != ".lock"] == []


def test_a_file_that_is_not_there_is_named(empty: House, tmp_path: Path):
    typed = empty.type("restore", str(tmp_path / "night.backup"))
    assert (typed.code, "night.backup is not there" in typed.err) == (2, True)


def test_a_copy_into_which_nobody_wrote_is_refused(empty: House, file: Path, tmp_path: Path):
    typed = empty.type("restore", str(file), MUSTER_LEDGER_COPY=str(tmp_path))
    assert (typed.code, "--without-copy" in typed.err) == (3, True)
    assert empty.type("restore", str(file), "--without-copy", MUSTER_LEDGER_COPY=str(tmp_path)).code == 0


# --- an older release -----------------------------------------------------------------------------------------------


@pytest.fixture
def older(tmp_path: Path) -> House:
    """What the first release left behind."""
    made = House(tmp_path / "old")
    Store(made.home / LOG).close()
    engine = open_engine(made.database)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0001")
    engine.dispose()
    return made


def test_an_older_database_is_backed_up_as_it_is_and_brought_up_to_date_only_when_told_to(
    older: House, empty: House, tmp_path: Path
):
    file = tmp_path / "old.backup"
    assert older.ask("backup", str(file))["database_version"] == "0001"
    typed = empty.type("restore", str(file))
    assert (typed.code, "--migrate" in typed.err) == (3, True)
    assert empty.type("restore", str(file), "--migrate").code == 0
    assert empty.type("appeal", "list").code == 0
    assert _version(empty) == NEWEST


@pytest.mark.parametrize("command", ["up", "worker"])
def test_an_older_database_is_not_touched_until_somebody_says_so(older: House, command: str):
    typed = older.type(command)
    assert (typed.code, "make a backup, then run `muster database migrate`" in typed.err) == (3, True)
    assert _version(older) == "0001"
    typed = older.type("database", "migrate")
    assert (typed.code, f"from version 0001 to {NEWEST}" in typed.out) == (0, True)
    assert _version(older) == NEWEST
    assert older.ask("database", "migrate") == {"migrated": True, "from": NEWEST, "to": NEWEST}


def _version(house: House) -> str:
    with Database(house.database) as database, database.snapshot() as connection:
        return str(connection.execute(text("select version_num from muster_version")).scalar())


# --- one moment -----------------------------------------------------------------------------------------------------


class Busy:
    """Somebody tells the log things all the time, as doors and relay do."""

    def __init__(self, house: House) -> None:
        self._house = house
        with closing(sqlite3.connect(house.home / DATABASE)) as database:
            self.before = _told(database)
        self._over = threading.Event()
        self.told = threading.Event()  # set with every message
        self.thread = threading.Thread(target=self._tell)

    def _tell(self) -> None:
        publisher = EmbeddedPublisher(self._house.home / LOG)
        with Database(self._house.database) as database:
            for number in count():
                with database.transaction() as connection:
                    outbox.put(connection, [_message(number)])
                relay_once(database, publisher)
                self.told.set()
                if self._over.is_set():
                    break
        publisher.close()

    def stop(self) -> None:
        self._over.set()
        self.thread.join()

    def may_tell(self) -> None:
        """Give it time to tell something, if nothing keeps it from that."""
        self.told.clear()
        self.told.wait(0.3)


@pytest.fixture
def busy(house: House) -> Iterator[Busy]:
    somebody = Busy(house)
    somebody.thread.start()
    assert somebody.told.wait(30)
    yield somebody
    somebody.stop()


def _message(number: int) -> outbox.Outgoing:
    said = SendingPaused(appeal_id=f"a-20111124-{number:04d}")
    return post(said, event_id=str(number), source=SOURCE, time=NIGHT)


def _told(database: sqlite3.Connection) -> int:
    """How many messages have ever been in the outbox."""
    row = database.execute("select seq from sqlite_sequence where name = 'outbox'").fetchone()
    return int(row[0]) if row else 0


def test_whatever_is_on_its_way_to_the_log_is_on_the_log_or_still_in_the_outbox(
    house: House, busy: Busy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    really = backup._look

    def slowly(view: sqlite3.Connection) -> None:
        really(view)
        busy.may_tell()

    monkeypatch.setattr(backup, "_look", slowly)
    for turn in range(2):
        folder = tmp_path / str(turn)
        backup.back_up(Settings(home=house.home), tmp_path / f"{turn}.backup", NIGHT)
        shutil.unpack_archive(tmp_path / f"{turn}.backup", folder, "tar")
        with closing(sqlite3.connect(folder / LOG)) as log, closing(sqlite3.connect(folder / DATABASE)) as database:
            published = {
                _id(headers) for (headers,) in log.execute("select headers from records where topic = 'controls'")
            }
            waiting = {
                int(found) for (found,) in database.execute("select event_id from outbox where topic = 'controls'")
            }
            told = _told(database)
        assert published | waiting == set(range(told - busy.before))


def _id(headers: str) -> int:
    return int(dict(json.loads(headers))["ce_id"])
