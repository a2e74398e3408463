"""The first import, which has an empty registry for itself and puts its indexes off: nobody can tell afterwards."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from decisions.permissions import EVERYTHING, bit
from registry import indexes
from registry.importing import run
from registry.importing.run import import_members
from registry.opt_outs import opt_out
from tests.registry.importing.conftest import NOW, SHARDS, Registry, counts, mobile
from tests.registry.importing.test_resuming import CUT_OFF

ROWS = 300
HEADER = "京卡号,姓名,手机"
FILE = (HEADER, *(f"BJ{n:06d},王芳,{mobile(n % 250)}" for n in range(1, ROWS + 1)))  # the last 50 share, chunks apart
SHARED = [n <= 50 or n > 250 for n in range(1, ROWS + 1)]
OTHER = (HEADER, "BJ000290,李娜,", f"BJ900001,张伟,{mobile(200)}")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FIRST_CHUNK_BYTES", 1024)
    monkeypatch.setattr(run, "CHUNK_BYTES", 1024)


def missing(registry: Registry) -> int:
    with registry.database.snapshot() as connection:
        return len(indexes.missing(connection))


def load(registry: Registry, *, during_chunk: int, do: Callable[[], object]) -> run.ImportReport:
    """Import the file; after its n-th chunk something else happens."""
    reached = 0

    def milestone(_: object) -> None:
        nonlocal reached
        reached += 1
        if reached == during_chunk:
            assert missing(registry) == 4
            do()

    return import_members(
        registry.database,
        registry.file(*FILE),
        now=NOW,
        shards=SHARDS,
        announce=lambda *_: None,
        milestone=milestone,
    )


def test_mobiles_that_come_again_in_a_later_chunk_are_marked_and_the_indexes_are_back(registry: Registry):
    load(registry, during_chunk=2, do=lambda: None)
    assert registry.members("mobile_shared") == [(shared,) for shared in SHARED]
    assert missing(registry) == 0


def test_who_opts_out_meanwhile_stays_so_and_the_rest_is_looked_up(registry: Registry):
    def leave() -> None:
        with registry.database.transaction() as connection:
            opt_out(connection, 3, at=NOW, source="reply")

    report = load(registry, during_chunk=2, do=leave)
    assert counts(report) == {"rows": ROWS, "added": ROWS}
    assert registry.members("opt_outs") == [(bit(EVERYTHING) if n == 3 else 0,) for n in range(1, ROWS + 1)]
    assert registry.members("mobile_shared") == [(shared,) for shared in SHARED]
    assert missing(registry) == 0


def test_another_file_meanwhile_brings_nobody_twice(registry: Registry):
    report = load(registry, during_chunk=2, do=lambda: registry.load(registry.file(*OTHER, name="other.csv")))
    assert counts(report) == {"rows": ROWS, "added": ROWS - 1, "updated": 1}
    found = sorted(registry.members("card_number", "mobile", "mobile_shared"))
    expected = [(f"BJ{n:06d}", f"+86{mobile(n % 250)}", shared or n == 200) for n, shared in enumerate(SHARED, start=1)]
    assert found == [*expected, ("BJ900001", f"+86{mobile(200)}", True)]
    assert missing(registry) == 0


@pytest.mark.parametrize("mended_first", [True, False])
def test_indexes_that_a_killed_import_left_out_are_built_by_whoever_comes_next(registry: Registry, mended_first: bool):
    path = registry.file(*FILE)
    command = [sys.executable, "-c", CUT_OFF, registry.database.url, str(path), "2", NOW.isoformat()]
    subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert missing(registry) == 4
    if mended_first:
        indexes.mend(registry.database)
        assert missing(registry) == 0
    assert counts(registry.load(path, NOW + timedelta(hours=1))) == {"rows": ROWS, "added": ROWS}
    assert missing(registry) == 0
    assert registry.members("mobile_shared") == [(shared,) for shared in SHARED]


def test_indexes_that_a_running_import_has_put_off_are_left_to_it(registry: Registry):
    def mend() -> None:
        indexes.mend(registry.database)
        assert missing(registry) == 4

    load(registry, during_chunk=2, do=mend)
    assert missing(registry) == 0


def test_indexes_that_are_missing_while_nobody_imports_are_built(registry: Registry):
    with registry.database.transaction() as connection:
        indexes.put_off(connection)
    assert missing(registry) == 4
    indexes.mend(registry.database)
    assert missing(registry) == 0


def test_signs_that_copy_reads_as_its_own_are_stored_as_they_are(registry: Registry):
    registry.bring("京卡号,姓名,工会", r"BJ0001,王\芳,\N", "BJ0002,,a\\tb")
    assert registry.members("name", "union_name") == [("王\\芳", r"\N"), (None, "a\\tb")]
