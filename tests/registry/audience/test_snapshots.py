"""A start from disk knows what a start from the database knows, and nothing is believed that might be otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, select

from registry import marks, revisions
from registry.audience import snapshots
from registry.audience.columns import TYPES
from registry.audience.index import AudienceIndex
from registry.audience.snapshots import Snapshots, layout
from registry.erasure import erase
from registry.marks import MARKS
from registry.opt_outs import opt_out
from tests.registry.audience.people import CRITERIA, NOW, PERSONS, Person, forget_all, store
from tests.registry.audience.test_following import NOBODY, change

SHARDS = 2


@pytest.fixture
def kept(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "members", SHARDS)


@pytest.fixture
def many(connection: Connection) -> list[int]:
    """Enough members for a change of one to be worth no reading of all."""
    return store(connection, [Person(skills=frozenset(("手语", "驾驶"))) for _ in range(20)])


def keep(connection: Connection, snapshots: Snapshots, shards: int = SHARDS, *, name: str = "m") -> None:
    for index in AudienceIndex.load_many(connection, range(shards), shards):
        held = index.held()
        mark = marks.mark(connection, held.revision, name=name, at=NOW)
        snapshots.write(index.shard, held, mark)


def from_disk(connection: Connection, snapshots: Snapshots) -> frozenset[int]:
    """Which shards were not read from the database; all are as if they had been."""
    loaded, kept = snapshots.load(connection)
    for one, other in zip(loaded, AudienceIndex.load_many(connection, range(len(loaded)), len(loaded)), strict=True):
        assert (one.shard, one.revision, len(one)) == (other.shard, other.revision, len(other))
        ids = np.arange(1, 100)
        (fields, living), (theirs, alive) = (index.look_up(ids, tuple(TYPES)) for index in (one, other))
        assert (living == alive).all()
        assert all((fields[name][living] == theirs[name][living]).all() for name in TYPES if name != "skills")
    return kept


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(PERSONS, min_size=1, max_size=20),
    changes=st.lists(st.one_of(PERSONS, st.tuples(st.integers(0, 30), PERSONS)), max_size=6),
    criteria=CRITERIA,
    shards=st.integers(1, 3),
)
def test_who_starts_from_disk_selects_as_who_starts_from_the_database(
    connection: Connection, people, changes, criteria, shards
):
    """However much has happened between."""
    forget_all(connection)
    connection.execute(delete(MARKS))
    ids = store(connection, people)
    with TemporaryDirectory() as folder:
        kept = Snapshots(Path(folder), shards)
        keep(connection, kept, shards)
        for what in changes:
            if isinstance(what, Person):
                ids += store(connection, [what])
            else:
                change(connection, ids[what[0] % len(ids)], what[1])
        loaded, _ = kept.load(connection)
    for one, other in zip(loaded, AudienceIndex.load_many(connection, range(shards), shards), strict=True):
        assert one.scan(criteria, NOBODY) == other.scan(criteria, NOBODY)
        selections = [index.select(criteria, NOBODY, limit=99, salt="s").tolist() for index in (one, other)]
        assert selections[0] == selections[1]


def test_what_has_changed_since_is_read_from_the_database(connection: Connection, kept: Snapshots, many: list[int]):
    keep(connection, kept)
    assert from_disk(connection, kept) == {0, 1}
    opt_out(connection, many[3], at=NOW, source="reply")
    erase(connection, many[5], at=NOW)
    many += store(connection, [Person()])
    assert from_disk(connection, kept) == {0, 1}
    assert kept.load(connection)[0][0].taken_in > 0


def test_where_most_has_changed_everything_is_read(connection: Connection, kept: Snapshots, many: list[int]):
    keep(connection, kept)
    for member in many[:8]:
        change(connection, member, Person(email=True))
    assert from_disk(connection, kept) == frozenset()


def test_an_empty_registry_is_kept_as_well(connection: Connection, kept: Snapshots):
    keep(connection, kept)
    assert from_disk(connection, kept) == {0, 1}


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """What happens here never happened: as on a database that is restored from a backup made before."""
    nested = connection.begin_nested()
    yield
    nested.rollback()


def test_a_restored_database_is_not_taken_for_the_one_that_was_kept(
    connection: Connection, kept: Snapshots, many: list[int]
):
    """The same revisions were given again, to other changes: here an opt-out would be forgotten."""
    with undone(connection):
        change(connection, many[0], Person(language="en"))
        keep(connection, kept)
        revision = revisions.latest(connection)
    opt_out(connection, many[7], at=NOW, source="reply")
    assert revisions.latest(connection) == revision
    assert from_disk(connection, kept) == frozenset()
    keep(connection, kept, name="another")
    assert from_disk(connection, kept) == {0, 1}


def test_a_backup_made_after_it_was_kept_is_good_for_it(connection: Connection, kept: Snapshots, many: list[int]):
    keep(connection, kept)
    with undone(connection):
        change(connection, many[0], Person(email=True))
    opt_out(connection, many[7], at=NOW, source="reply")
    assert from_disk(connection, kept) == {0, 1}


def test_a_mark_vouches_for_what_came_before_it_only(connection: Connection, many: list[int]):
    early = marks.mark(connection, revisions.latest(connection), name="early", at=NOW)
    first = revisions.latest(connection)
    change(connection, many[0], Person())
    second = revisions.latest(connection)
    assert marks.mark(connection, first, name="unused", at=NOW) == "early"
    assert marks.mark(connection, second, name="late", at=NOW) == "late"
    assert marks.vouches(connection, early, first)
    assert not marks.vouches(connection, early, second)
    assert marks.vouches(connection, "late", first)
    assert marks.vouches(connection, "late", second)
    assert not marks.vouches(connection, "unused", first)


def test_marks_do_not_heap_up(connection: Connection, many: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(marks, "_KEPT", 3)
    for n in range(10):
        change(connection, many[0], Person())
        marks.mark(connection, revisions.latest(connection), name=f"m{n}", at=NOW)
    assert connection.execute(select(func.count()).select_from(MARKS)).scalar() == 3
    assert marks.vouches(connection, "m9", revisions.latest(connection))


@pytest.mark.usefixtures("many")
def test_another_layout_or_number_of_shards_is_not_read(
    connection: Connection, kept: Snapshots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keep(connection, kept)
    assert from_disk(connection, Snapshots(tmp_path / "members", 1)) == frozenset()
    layout.cache_clear()
    monkeypatch.setattr(snapshots, "_FORMAT", -1)
    try:
        assert from_disk(connection, kept) == frozenset()
        assert kept.revision(0) is None
    finally:
        layout.cache_clear()


def test_a_file_of_another_shard_is_not_read(connection: Connection, kept: Snapshots, many: list[int], tmp_path: Path):
    assert many
    keep(connection, kept)
    (tmp_path / "members" / "0.npz").replace(tmp_path / "members" / "1.npz")
    assert from_disk(connection, kept) == frozenset()


@pytest.mark.usefixtures("many")
def test_no_torn_or_rotten_file_is_believed(connection: Connection, kept: Snapshots, tmp_path: Path):
    keep(connection, kept)
    file = tmp_path / "members" / "0.npz"
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        assert kept._read(connection, 0) is None
    real = AudienceIndex.load(connection, 0, SHARDS).held()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes((whole[place] ^ 0x55,)) + whole[place + 1 :])
        found = kept._read(connection, 0)
        if found is not None:  # a byte that says nothing: a date, a place to fill up
            held = found.held()
            assert held.skills == real.skills
            assert all((held.columns[name] == real.columns[name]).all() for name in TYPES)
    file.write_bytes(b"")
    assert from_disk(connection, kept) == {1}


def test_who_has_been_erased_is_in_no_file_that_is_written(
    connection: Connection, kept: Snapshots, many: list[int], tmp_path: Path
):
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    erase(connection, many[4], at=NOW)
    index.catch_up(connection)
    assert index.last_erasure == index.revision
    Snapshots(tmp_path / "members", 1).write(0, index.held(), "m")
    with np.load(tmp_path / "members" / "0.npz") as file:
        assert many[4] not in file["id"].tolist()
        assert len(file["id"]) == len(many) - 1


def test_only_their_owner_may_read_them(connection: Connection, kept: Snapshots, many: list[int], tmp_path: Path):
    assert many
    keep(connection, kept)
    folder = tmp_path / "members"
    assert [path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())] == [0, 0, 0]


def test_what_nobody_would_read_is_deleted_and_nothing_of_others(
    connection: Connection, kept: Snapshots, many: list[int], tmp_path: Path
):
    assert many
    keep(connection, kept)
    folder = tmp_path / "members"
    for name in ("9.npz", "0-77.part", "notes.txt"):
        (folder / name).write_text("?")
    kept.tidy({1})
    assert sorted(path.name for path in folder.iterdir()) == ["1.npz", "notes.txt"]
    Snapshots(tmp_path / "nowhere", SHARDS).tidy(())


def test_a_file_that_cannot_be_written_leaves_nothing_half_done(
    connection: Connection, kept: Snapshots, many: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert many
    keep(connection, kept)
    before = kept.revision(0)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        keep(connection, kept)
    assert sorted(path.name for path in (tmp_path / "members").iterdir()) == ["0.npz", "1.npz"]
    assert kept.revision(0) == before
