"""What a worker was about to send lies in the ledger copy whole, or was not sent."""

import errno
import os
from pathlib import Path

import pytest

from registry.errors import DatabaseUnreachable, Refused
from registry.ledger_copy import Claimed, LedgerCopy, Repeated, Selected, remembered

FIRST = Claimed("a-20111124-0001/1/0/0", 0, 256, "a-20111124-0001", 1)
REST = Claimed("a-20111124-0001/1/0/0", 256, 300, "a-20111124-0001", 1)
CHOSEN = Selected("a-20111124-0001", 1, 0, b"\x07\0\0\0\0\0\0\0")
AGAIN = Repeated("again/a-20111124-0001/1/0/0", b"\0\0\x02\x01\xff\x03")


def test_what_all_workers_wrote_is_read_back(tmp_path: Path):
    with LedgerCopy(tmp_path / "second", "one") as one, LedgerCopy(tmp_path / "second", "two") as two:
        one.append([CHOSEN, FIRST])
        two.append([REST])
        one.append([AGAIN])
    found = remembered(tmp_path / "second")
    assert found.claims == {FIRST.batch_id: [FIRST, REST]}
    assert found.selections == (CHOSEN,)
    assert found.repeats == (AGAIN,)


def test_without_a_folder_nothing_is_kept_and_nothing_fails():
    with LedgerCopy(None, "one") as copy:
        copy.append([FIRST])


def test_a_line_is_on_the_disk_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    really = os.fdatasync

    def watched(file: int) -> None:
        really(file)
        synced.append(os.fstat(file).st_size)

    with LedgerCopy(tmp_path, "one") as copy:
        monkeypatch.setattr(os, "fdatasync", watched)
        copy.append([FIRST, REST])
        assert synced == [(tmp_path / "one.claims.jsonl").stat().st_size]


def test_a_full_disk_holds_the_claim_back_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    really = os.pwrite

    def full(file: int, data: bytes, offset: int) -> int:
        if offset == 0:
            return really(file, bytes(data)[:10], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with LedgerCopy(tmp_path, "one") as copy:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(DatabaseUnreachable, match="MUSTER_LEDGER_COPY: No space left"):
            copy.append([FIRST])
        monkeypatch.undo()
        copy.append([REST])
    assert remembered(tmp_path).claims == {REST.batch_id: [REST]}


def test_a_line_that_was_torn_by_a_crash_was_not_waited_for_and_is_passed_over(tmp_path: Path):
    with LedgerCopy(tmp_path, "one") as copy:
        copy.append([FIRST, REST])
    path = tmp_path / "one.claims.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert remembered(tmp_path).claims == {FIRST.batch_id: [FIRST]}


def test_a_damaged_copy_is_refused(tmp_path: Path):
    with LedgerCopy(tmp_path, "one") as copy:
        copy.append([FIRST, REST])
    path = tmp_path / "one.claims.jsonl"
    path.write_bytes(path.read_bytes().replace(b"[", b"{", 1))
    with pytest.raises(Refused, match=r"line 1 of one\.claims\.jsonl is damaged.*--without-copy"):
        remembered(tmp_path)


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_a_folder_into_which_no_worker_wrote_is_refused(tmp_path: Path, folder: str):
    with pytest.raises(Refused, match="no worker has written"):
        remembered(tmp_path / folder)


def test_a_folder_that_cannot_be_made_is_named_before_anything_starts(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=r"MUSTER_LEDGER_COPY: .*file/second: Not a directory"):
        LedgerCopy(tmp_path / "file" / "second", "one")


def test_only_its_owner_may_read_it(tmp_path: Path):
    with LedgerCopy(tmp_path, "one"):
        assert (tmp_path / "one.claims.jsonl").stat().st_mode & 0o077 == 0
