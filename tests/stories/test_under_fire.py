"""The promise under fire: whatever dies in mid-fan-out, nobody is asked twice and nobody is forgotten silently."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.faults import broken
from bench.fire.faults import FAULTS as ALL_FAULTS
from bench.fire.toll import Blame, Toll
from bench.fire.voices import Hearing

BENCH = Path(__file__).parents[2] / "bench" / "faults.py"
FAULTS = {
    "worker killed", "worker stopped", "command killed", "worker frozen", "link cut mid-PDU", "gateway slow",
    "gateway throttles", "gateway answers errors", "receipts before the answer", "receipts twice",
    "receipts of unknown messages", "clock stepped back", "clock stepped forth", "disk full",
}  # fmt: skip
KILLS = 10
ON_SERVERS = {
    "worker killed", "all workers killed", "command killed", "broker killed", "database killed", "worker frozen",
}  # fmt: skip
LIMIT = 120  # seconds until messages leave again: tests run on busy machines; docs/guarantees.md has the figures


def _last_words(logs: Path) -> str:
    """What every process said at last: what stood still is rarely seen twice."""
    said = ((log.name, log.read_text(errors="replace").splitlines()[-40:]) for log in sorted(logs.glob("*.log")))
    return "\n".join(line for name, lines in said for line in (f"--- {name}", *lines))


def _under_fire(report: Path, *options: str) -> dict[str, dict[str, Any]]:
    """What became of it, by fault."""
    logs = report.parent / "logs"
    told = ("--seed", "7", "--limit", str(LIMIT), "--json", str(report), "--keep-logs", str(logs))
    ended = subprocess.run(
        [sys.executable, str(BENCH), *options, *told],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr + _last_words(logs)
    said = json.loads(report.read_text())
    assert said["replies"]["said"] > 0
    assert (said["replies"]["lost"], said["replies"]["doubled"]) == (0, 0)
    rows = {row["fault"]: row for row in said["faults"]}
    for row in rows.values():
        assert (row["lost"], row["duplicates"], row["broken"]) == (0, 0, []), row
    return rows


def test_each_kill_is_charged_with_what_the_dead_worker_had_claimed():
    kill, cut = Toll(ALL_FAULTS["worker killed"]), Toll(ALL_FAULTS["link cut mid-PDU"])
    blame = Blame(killed={"dead": kill})
    blame.charge(Counter(dead=900, alive=40), [kill, cut])
    blame.charge(Counter(dead=922, alive=10), [kill, cut])  # the living one has told since what became of 30
    assert (kill.uncertain, cut.uncertain) == (922, 10)


@pytest.mark.parametrize(
    "heard", [Hearing(10, 1, 0, ("1 not stored",)), Hearing(10, 0, 1, ("1 more than once counted",))]
)
def test_what_somebody_said_and_was_lost_or_counted_twice_breaks_the_promise(heard: Hearing):
    toll = Toll(ALL_FAULTS["worker killed"], heard=heard)
    (reason,) = broken(toll, LIMIT)
    assert heard.reasons[0] in reason
    assert not broken(Toll(ALL_FAULTS["worker killed"], heard=Hearing(10, 0, 0)), LIMIT)


@pytest.mark.slow
def test_nobody_is_asked_twice_or_forgotten_whatever_is_hit(tmp_path: Path):
    rows = _under_fire(tmp_path / "faults.json", "--log", "embedded", "--kills", str(KILLS), "--members", "30000")
    assert set(rows) == FAULTS
    assert rows["worker killed"]["times"] == KILLS
    # Else the kills hit nothing, and all the zeros above would prove nothing.
    assert rows["worker killed"]["uncertain"] > 0


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgres
def test_nor_on_servers_whichever_process_dies(tmp_path: Path):
    only = ("--only", ",".join(sorted(ON_SERVERS)), "--each", "1")
    rows = _under_fire(tmp_path / "faults.json", "--log", "kafka", "--members", "30000", *only)
    assert {name: row["times"] for name, row in rows.items()} == dict.fromkeys(ON_SERVERS, 1)
    # Both die, so somebody had claimed and not recorded.
    assert rows["all workers killed"]["uncertain"] > 0
