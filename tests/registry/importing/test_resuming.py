"""An import that was cut off goes on where it stopped, however it was cut off, and comes to the same end."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from registry.errors import Refused
from registry.importing.errors import UnusableFile
from registry.importing.reading import Reading, read_apart
from registry.importing.run import Milestone, import_members
from registry.importing.survey import survey
from tests.registry.importing.conftest import NOW, SHARDS, Registry, counts, mobile, rejects

ROWS = 600
BAD = [2, 77, 78, 110, 400, ROWS + 1]  # lines with a malformed mobile; the first four are in the first two chunks
# Small chunks, and a kill amid the transaction of the n-th, when its rejects are in their file already.
CUT_OFF = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from registry.database import Database
from registry.importing import run

run.CHUNK_BYTES = run.FIRST_CHUNK_BYTES = 4096
left = int(sys.argv[3])

def announce(connection, news):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Database(sys.argv[1]) as database:
    run.import_members(
        database, Path(sys.argv[2]), now=datetime.fromisoformat(sys.argv[4]), shards=4, announce=announce
    )
"""
PARENT = """
import sys, time
from datetime import date
from pathlib import Path
from registry.importing.reading import Reading, read_apart
from registry.importing.survey import survey

found = survey(Path(sys.argv[1]))
with read_apart(Reading(found, found.offset, found.line, 4096, date(2024, 5, 1))) as chunks:
    next(chunks)
    print("reading", flush=True)
    time.sleep(60)
"""


def lines() -> Sequence[str]:
    rows = [f"BJ{n:06d},王芳,{'1790' if n + 1 in BAD else mobile(n)},m{n}@example.org" for n in range(1, ROWS + 1)]
    return ("京卡号,姓名,手机,邮箱", *rows)


@pytest.mark.parametrize("chunk", [1, 2])
def test_after_kill_9_in_the_middle_the_same_command_goes_on(registry: Registry, chunk: int):
    path = registry.file(*lines())
    killed = subprocess.run(
        [sys.executable, "-c", CUT_OFF, registry.database.url, str(path), str(chunk), NOW.isoformat()],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    stored = len(registry.members("id"))
    assert (stored > 0) == (chunk > 1)
    assert stored < ROWS / 2

    report = registry.load(path, NOW + timedelta(hours=1))
    assert counts(report) == {"rows": ROWS, "added": ROWS - len(BAD), "rejected": len(BAD)}
    assert (report.resumed_at_line is not None) == (chunk > 1)
    assert [int(reject["line"]) for reject in rejects(report)] == BAD
    good = [n for n in range(1, ROWS + 1) if n + 1 not in BAD]
    assert registry.members("id", "card_number", "mobile") == [
        (number, f"BJ{n:06d}", f"+86{mobile(n)}") for number, n in enumerate(good, start=1)
    ]
    before = registry.everything()
    assert counts(registry.load(path)) == {"rows": ROWS, "unchanged": ROWS - len(BAD), "rejected": len(BAD)}
    assert registry.everything() == before


def test_two_imports_of_one_file_at_once_do_not_mix(registry: Registry):
    path = registry.file(*lines())

    def overtaken(_: object) -> None:
        registry.load(path)

    with pytest.raises(Refused, match="another import of the same file"):
        import_members(registry.database, path, now=NOW, shards=SHARDS, announce=lambda *_: None, milestone=overtaken)
    assert len(registry.members("id")) == ROWS - len(BAD)


def test_the_progress_adds_up_and_ends_with_the_file(registry: Registry):
    path = registry.file(*lines())
    seen: list[Milestone] = []
    import_members(registry.database, path, now=NOW, shards=SHARDS, announce=lambda *_: None, milestone=seen.append)
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (path.stat().st_size, path.stat().st_size)
    assert seen[-1].rows == ROWS
    assert seen[-1].rows_per_second > 0


def test_a_clean_second_file_leaves_no_rejects_file_of_the_first(registry: Registry):
    path = registry.file(*lines())
    assert registry.load(path).rejects_file == path.with_name("members.csv.rejects.csv")
    path = registry.file("京卡号,手机", f"BJ000001,{mobile(1)}")
    assert registry.load(path).rejects_file is None
    assert not path.with_name("members.csv.rejects.csv").exists()


def test_columns_that_few_files_have_are_stored_too(registry: Registry):
    registry.bring("京卡号,首选渠道,语言,技能,暂缓至,暂缓代码,RhD", "BJ0001,短信,en,驾驶;手语,永久,间隔期,弱D")
    columns = ("preferred_channel", "language", "skills", "deferral_code", "rhd", "deferred_until")
    assert registry.members(*columns) == [("sms", "en", "手语;驾驶", "interval", "weak", date(9999, 12, 31))]


# --- the process that reads ahead ----------------------------------------------------------------------------------


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    path = tmp_path / "members.csv"
    path.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    found = survey(path)
    return Reading(found, found.offset, found.line, 4096, NOW.date())


def test_a_process_of_its_own_reads_the_same(reading: Reading):
    with read_apart(reading) as chunks:
        apart = list(chunks)
    assert apart == list(reading.chunks())
    assert len(apart) > 3
    assert sum(chunk.records for chunk in apart) == ROWS


def test_a_reader_that_breaks_off_is_no_end_of_file(reading: Reading, capfd: pytest.CaptureFixture[str]):
    reading.survey.path.unlink()
    with read_apart(reading) as chunks, pytest.raises(UnusableFile, match="import it again"):
        list(chunks)
    assert "FileNotFoundError" in capfd.readouterr().err


def test_the_reader_ends_when_the_import_is_killed(reading: Reading):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(reading.survey.path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "reading\n"
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.kill()
    (child,) = map(int, children)
    deadline = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < deadline, "the reader is still there"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
