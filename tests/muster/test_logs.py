"""What a log line may not repeat, and the form that all lines have."""

import json
import logging
import subprocess
import sys

import pytest
import structlog

from muster.logs import Seldom, without_values

SAID = """
import logging
from muster.logs import set_up_logs
set_up_logs()
log = logging.getLogger("aiokafka.conn")
for _ in range(3):
    log.warning('no "broker" at %s', "here")
try:
    raise ValueError("first\\nDETAIL:  Key (mobile)=(+8617900000001) already exists.")
except ValueError:
    log.exception("failed")
"""


def test_the_values_that_a_database_quotes_stay_out_of_the_log():
    trace = "UniqueViolation: duplicate key value\nDETAIL:  Key (mobile)=(+8617900000001) already exists.\nend"
    told = without_values(None, "error", {"event": "failed", "exception": trace})
    assert told["exception"] == "UniqueViolation: duplicate key value\nend"
    assert without_values(None, "info", {"event": "fine"}) == {"event": "fine"}


def test_the_same_warning_is_told_once_in_a_while_with_how_many_were_left_out():
    now = 0.0
    seldom = Seldom(lambda: now)
    away = {"event": "waiting", "level": "warning", "reason": "refused"}
    assert seldom.ours(None, "warning", dict(away)) == away
    for _ in range(2):
        with pytest.raises(structlog.DropEvent):
            seldom.ours(None, "warning", dict(away))
    assert seldom.ours(None, "warning", {**away, "reason": "starting up"})["reason"] == "starting up"
    assert [seldom.ours(None, "error", dict(away)) for _ in range(2)] == [away, away]
    now = 5.0
    assert seldom.ours(None, "warning", dict(away)) == {**away, "repeated": 2}


def test_no_more_warnings_are_remembered_than_there_is_room_for():
    seldom = Seldom(lambda: 0.0)
    for number in range(3000):
        assert seldom.theirs(logging.LogRecord("a", logging.WARNING, "", 0, f"{number}", (), None))
    assert len(seldom._told) <= 1000


def test_what_libraries_say_has_the_form_of_our_own_lines():
    said = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True).stderr
    first, failed = map(json.loads, said.splitlines())
    assert (first["event"], first["level"], first["logger"]) == ('no "broker" at here', "warning", "aiokafka.conn")
    assert first["timestamp"].endswith("Z")
    assert "first" in failed["exception"]
    assert "17900000001" not in said
