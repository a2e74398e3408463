"""The demo itself, small: real processes, real sockets, the witness counts."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MEMBERS = 3000


@dataclass(frozen=True)
class Night:
    """What a rehearsal wrote and said, while it is kept."""

    figures: dict
    said: str

    @property
    def tour(self) -> list[str]:
        """What it tells somebody to type."""
        lines = [line.strip().partition("  #")[0] for line in self.said.partition("Look around")[2].splitlines()]
        return [line for line in lines if line.startswith((".", "muster"))]

    @property
    def end(self) -> str:
        return self.said.rpartition("End it with:")[2].strip()

    @property
    def processes(self) -> list[int]:
        return [int(word) for word in re.findall(r"\d+", self.end.partition(";")[0])]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    report = folder / "report.json"
    command = [sys.executable, "-m", "muster", "demo", "--members", str(MEMBERS), "--need", "1", "--speed", "2000"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    environment["TMPDIR"] = str(folder)

    ended = subprocess.run(
        [*command, "--keep", "--json", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    night = Night(json.loads(report.read_text()), ended.stdout)
    try:
        yield night
    finally:
        for pid in filter(runs, night.processes):
            os.kill(pid, 9)


def test_the_story_and_the_recall_run_and_the_witness_misses_nothing(night: Night):
    figures = night.figures
    assert figures["members"] == MEMBERS
    assert figures["lost"] == 0
    assert figures["duplicates"] == 0
    assert figures["uncertain"] == 0
    assert figures["invited"] == figures["matched"] > MEMBERS * 0.55
    assert figures["messages_sent"] == figures["invited"] - figures["refused"]
    assert figures["confirmed"] <= figures["accepted"]
    assert figures["drill_messages_sent"] + figures["withdrawn"] == figures["drill_invited"]


def test_a_rehearsal_that_is_kept_says_how_to_look_around_and_how_to_end_it(night: Night):
    assert list(map(runs, night.processes)) == [True, True]
    assert len(night.tour) == 4
    script = "\n".join(night.tour)
    looked = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, timeout=60, check=False)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "All is well." in looked.stdout
    assert f"{MEMBERS:,} members" in looked.stdout

    folder = Path(night.end.rpartition(" ")[2])
    assert folder.is_dir()
    subprocess.run(["sh", "-ec", night.end], timeout=30, check=True)
    deadline = time.monotonic() + 20
    while any(map(runs, night.processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not folder.exists()


def runs(pid: int) -> bool:
    """Whether this process is there, and not just waiting to be forgotten."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
