"""What a journal tells after its writer has died, and which journals are believed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.journal import Journals, Told

SIZE = 60
WRITER = """
import os, signal, sys
from pathlib import Path
from registry.journal import Journals
journal = Journals(Path(sys.argv[1]), owner="one").begin("token")
journal.note(range(3), 3)
journal.note(range(2), 1, ["a", "b"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def journals(folder: Path | None, owner: str = "one", boot: str = "boot-1") -> Journals:
    return Journals(folder, owner=owner, boot=lambda: boot)


def test_what_was_noted_outlives_a_killed_process(tmp_path: Path):
    died = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert Journals(tmp_path, owner="two").read("token", 5) == Told(bytes([1, 1, 3, 0, 0]), ["a", "b", "", "", ""])


entries = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.integers(0, SIZE - 1), st.integers(0, 20)).map(
                lambda span: range(span[0], min(SIZE, sum(span)))
            ),
            st.lists(st.integers(0, SIZE - 1), unique=True, max_size=20),
        ),
        st.integers(1, 4),
        st.sampled_from(["", "1A", "号"]),
    ),
    max_size=40,
)


@given(entries)
def test_the_last_word_on_each_position_counts(tmp_path_factory, noted):
    folder = tmp_path_factory.mktemp("journals")
    journal = journals(folder).begin("token")
    states, ids = bytearray(SIZE), [""] * SIZE
    for positions, state, name in noted:
        given_ids = [f"{name}{position}" for position in positions] if name else []
        journal.note(positions, state, given_ids)
        for place, position in enumerate(positions):
            states[position], ids[position] = state, given_ids[place] if name else ""
    assert journals(folder, "two").read("token", SIZE) == Told(bytes(states), ids)
    journal.close()


def test_a_journal_grows_with_what_is_noted(tmp_path: Path):
    journal = journals(tmp_path).begin("token")
    for _ in range(60):
        journal.note(range(100), 1, [f"{number:060}" for number in range(100)])
    told = journals(tmp_path, "two").read("token", 100)
    assert told.gateway_ids[99] == f"{99:060}"


def test_a_journal_that_is_used_again_tells_nothing_of_the_claim_before(tmp_path: Path):
    ours = journals(tmp_path)
    first = ours.begin("first")
    first.note(range(50), 1, ["id"] * 50)
    ours.give_back(first)
    assert ours.begin("second") is first
    assert journals(tmp_path, "two").read("first", 50) is None
    assert journals(tmp_path, "two").read("second", 50) == Told(bytes(50), [""] * 50)


def test_whoever_ends_leaves_only_what_is_still_wanted(tmp_path: Path):
    ours = journals(tmp_path)
    done, open_still = ours.begin("done"), ours.begin("open still")
    open_still.note(range(1), 3)
    ours.give_back(done)
    ours.close()
    assert len(list(tmp_path.rglob("*.journal"))) == 1
    assert journals(tmp_path, "two").read("open still", 1) is not None


def test_an_entry_counts_once_it_is_complete(tmp_path: Path):
    """The writer dies somewhere in an entry: its state, the octet in front, is written last."""
    journal = journals(tmp_path).begin("token")
    journal.note(range(2), 3)
    (path,) = tmp_path.glob("*/*.journal")
    before = path.read_bytes()
    journal.note(range(5, 7), 1, ["x", "y"])
    after = bytearray(path.read_bytes())
    (changed,) = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new][:1]
    after[changed] = 0
    path.write_bytes(after)
    assert journals(tmp_path, "two").read("token", 8).states == bytes([3, 3, 0, 0, 0, 0, 0, 0])


@given(st.binary(min_size=1, max_size=60), st.integers(64, 140))
def test_whatever_stands_in_a_journal_it_is_read_or_not_believed(tmp_path_factory, octets, at):
    folder = tmp_path_factory.mktemp("journals")
    journal = journals(folder).begin("token")
    journal.note(range(4), 3)
    journal.note([7, 5], 1, ["x", "y"])
    journal.close()
    (path,) = folder.glob("*/*.journal")
    written = bytearray(path.read_bytes())
    written[at : at + len(octets)] = octets
    path.write_bytes(written)
    told = journals(folder, "two").read("token", 8)
    assert told is None or len(told.states) == len(told.gateway_ids) == 8


def test_journals_of_another_boot_are_not_believed_and_go(tmp_path: Path):
    journals(tmp_path).begin("token").note(range(2), 3)
    later = journals(tmp_path, "two", "boot-2")
    assert later.read("token", 2) is None
    later.tidy(now=0.0)
    assert not list(tmp_path.rglob("*.journal"))


def test_journals_that_nobody_has_written_to_for_a_day_go(tmp_path: Path):
    ours = journals(tmp_path)
    ours.begin("old").note(range(2), 3)
    (path,) = tmp_path.glob("*/*.journal")
    written = path.stat().st_mtime
    journals(tmp_path, "two").tidy(written + 86_000)
    assert path.exists()
    journals(tmp_path, "two").tidy(written + 87_000)
    assert not path.exists()


def test_a_journal_of_more_positions_than_the_claim_has_is_not_believed(tmp_path: Path):
    journals(tmp_path).begin("token").note(range(10), 3)
    assert journals(tmp_path, "two").read("token", 9) is None


def test_without_a_folder_that_can_be_written_to_there_is_no_journal(tmp_path: Path):
    assert journals(None).begin("token") is None
    assert journals(None).read("token", 1) is None
    journals(None).tidy(0.0)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert journals(in_the_way).begin("token") is None
    assert journals(in_the_way).read("token", 1) is None


def test_a_full_disk_is_told_when_a_journal_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    assert journals(tmp_path).begin("token") is None
    assert not list(tmp_path.rglob("*.journal"))


def test_what_was_left_to_others_is_written_to_no_more(tmp_path: Path):
    journal = journals(tmp_path).begin("token")
    journal.close()
    with pytest.raises(OSError, match="left"):
        journal.note(range(1), 1)
