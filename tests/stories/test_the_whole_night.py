"""The demo itself, small: real processes, real sockets, the witness counts."""

import json
import os
import subprocess
import sys

MEMBERS = 3000


def test_the_story_and_the_recall_run_and_the_witness_misses_nothing(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "muster", "demo", "--members", str(MEMBERS), "--need", "1", "--speed", "2000"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    environment["TMPDIR"] = str(tmp_path)

    ended = subprocess.run(
        [*command, "--json", str(report)], env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert ended.returncode == 0, ended.stderr
    figures = json.loads(report.read_text())
    assert figures["members"] == MEMBERS
    assert figures["lost"] == 0
    assert figures["duplicates"] == 0
    assert figures["uncertain"] == 0
    assert figures["invited"] == figures["matched"] > MEMBERS * 0.55
    assert figures["messages_sent"] == figures["invited"] - figures["refused"]
    assert figures["confirmed"] <= figures["accepted"]
    assert figures["drill_messages_sent"] + figures["withdrawn"] == figures["drill_invited"]
