"""The file: offsets given once, whoever writes; kept as long as promised; refused when it is somebody else's."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from files import sqlite
from streams.embedded.store import VERSION, Append, Record, Store
from streams.errors import LogUnreachable, WrongVersion

WRITER = """
import sys
from pathlib import Path
from streams.embedded.store import Append, Store
store = Store(Path(sys.argv[1]))
for number in range(100):
    store.append([Append("t", b"k", f"{sys.argv[2]}/{number}".encode(), [], 0)])
"""


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "log.db")
    store.declare("t", 4, retention_ms=1000, compacted=False)
    store.declare("c", 1, retention_ms=None, compacted=True)
    yield store
    store.close()


def records(store: Store, topic: str, partition: int = 0, offset: int = 0) -> list[Record]:
    return store.read(topic, partition, offset, 10_000)


def put(store: Store, topic: str, *pairs: tuple[bytes | None, bytes | None]) -> None:
    store.append([Append(topic, key, value, [], 0) for key, value in pairs])


def test_a_record_comes_back_as_it_was_with_its_place(store: Store):
    headers = (("ce_id", b"e1"), ("any", bytes(range(256))), ("any", b""))
    placed = store.append([Append("t", b"\x00k", None, headers, 3), Append("t", None, b"\xff", (), 3)])
    assert placed == [("t", 3, 0), ("t", 3, 1)]
    first, second = records(store, "t", 3)
    assert first[:3] + first[4:] == ("t", 3, 0, b"\x00k", headers, None)
    assert second[:3] + second[4:] == ("t", 3, 1, None, (), b"\xff")


def test_a_key_decides_the_partition_where_none_is_given(store: Store):
    placed = store.append([Append("t", f"key-{number}".encode(), b"", []) for number in range(40)] * 2)
    assert placed[:40] != placed[40:]
    assert [where[1] for where in placed[:40]] == [where[1] for where in placed[40:]]
    assert {where[1] for where in placed} == {0, 1, 2, 3}


def test_nothing_of_a_call_is_written_when_one_record_has_no_topic(store: Store):
    with pytest.raises(LogUnreachable, match="run `muster topics create`"):
        store.append([Append("t", b"k", b"v", [], 0), Append("nowhere", b"k", b"v", [])])
    assert records(store, "t") == []


def test_many_processes_write_and_none_finds_the_log_locked(store: Store):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.path), str(n)], stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    assert [writer.communicate(timeout=60)[1] for writer in writers] == [""] * 4
    found = records(store, "t")
    assert [record.offset for record in found] == list(range(400))
    for n in range(4):
        own = [record.value.decode() for record in found if record.value.startswith(f"{n}/".encode())]
        assert own == [f"{n}/{number}" for number in range(100)]


def test_many_threads_write_commit_and_clean_and_none_finds_the_log_locked(store: Store):
    def write(n: int) -> None:
        own = Store(store.path)
        for number in range(50):
            put(own, "t", (b"k", b"v"))
            own.commit(f"group-{n}", {("t", 0): number})
            if number % 10 == 0:
                own.clean(now_ms=0)
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [record.offset for record in records(store, "t")] == list(range(400))
    assert [store.committed(f"group-{n}", "t", 0) for n in range(8)] == [49] * 8


def test_no_transaction_stays_open_after_reading(store: Store):
    put(store, "t", (b"k", b"v"))
    records(store, "t")
    store.ends()
    assert not store._db.in_transaction
    other = sqlite3.connect(store.path)
    busy, in_log, moved = other.execute("pragma wal_checkpoint(truncate)").fetchone()
    other.close()
    assert (busy, in_log, moved) == (0, 0, 0)


def test_what_is_older_than_the_retention_goes_and_offsets_go_on(store: Store):
    put(store, "t", (b"k", b"1"), (b"k", b"2"))
    (old, _) = records(store, "t")
    assert store.clean(old.at + 1000) == 0
    assert store.clean(old.at + 1001) == 2
    assert (store.earliest("t", 0), store.end("t", 0)) == (2, 2)
    put(store, "t", (b"k", b"3"))
    assert [(record.offset, record.value) for record in records(store, "t")] == [(2, b"3")]


def test_a_compacted_topic_keeps_the_latest_of_each_key_for_ever(store: Store):
    put(store, "c", (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", b"1"), (b"b", b"2"))
    assert store.clean(now_ms=10**15) == 2
    assert [(r.offset, r.key, r.value) for r in records(store, "c")] == [
        (2, b"a", b"2"),
        (3, b"c", b"1"),
        (4, b"b", b"2"),
    ]


def test_compaction_never_gives_an_offset_twice(store: Store):
    given: list[int] = []
    for _ in range(5):
        given += [offset for _, _, offset in store.append([Append("c", b"k", b"v", [], 0)] * 2)]
        store.clean(now_ms=10**15)
        store.append([Append("c", b"k", None, [], 0)])
        given.append(store.end("c", 0) - 1)
        store.clean(now_ms=10**15)
    assert given == list(range(15))


def test_a_group_goes_on_where_it_committed_also_in_another_process(store: Store):
    assert store.committed("g", "t", 0) is None
    store.commit("g", {("t", 0): 7, ("t", 1): 3})
    store.commit("g", {("t", 0): 9})
    again = Store(store.path)
    assert [again.committed("g", "t", partition) for partition in range(3)] == [9, 3, None]
    assert again.committed("other", "t", 0) is None
    again.close()


def test_a_change_by_another_connection_is_noticed_and_our_own_is_not(store: Store):
    before = store.changed()
    put(store, "t", (b"k", b"v"))
    assert store.changed() == before
    other = Store(store.path)
    put(other, "t", (b"k", b"v"))
    other.close()
    assert store.changed() != before


@pytest.mark.parametrize(
    "statements",
    [f"pragma user_version={VERSION + 1}", "create table theirs (x)"],
    ids=["a newer log", "another program's file"],
)
def test_a_file_of_another_version_is_refused_before_anything_is_written(tmp_path: Path, statements: str):
    path = tmp_path / "log.db"
    database = sqlite3.connect(path)
    database.execute(statements)
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(WrongVersion, match="point MUSTER_LOG at another file"):
        Store(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["log.db"]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "log.db"
    path.write_bytes(b"a letter to somebody\n" * 100)
    with pytest.raises(LogUnreachable, match=r"log\.db"):
        Store(path)
    assert path.read_bytes() == b"a letter to somebody\n" * 100


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(LogUnreachable, match="file"):
        Store(tmp_path / "file" / "log.db")


def test_many_may_open_a_new_log_at_once(tmp_path: Path):
    for attempt in range(20):
        path = tmp_path / f"{attempt}.db"
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(lambda _: Store(path), range(8)))  # noqa: B023 - called at once
        for store in stores:
            store.close()


def test_who_appends_has_the_turn_until_it_has_committed(store: Store):
    with closing(sqlite3.connect(store.path, timeout=0.01, factory=sqlite.Connection)) as other:

        def meanwhile() -> Iterator[Append]:
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                other.take_turn()
            yield Append("t", b"key", b"value", [])

        store.append(meanwhile())
        other.take_turn()
