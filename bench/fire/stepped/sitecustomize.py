"""A process that is started with this folder on PYTHONPATH has a wrong clock: by as much as a file says, looked up each time.

Debian's faketime would do it for any process, but version 0.9.10 breaks `time.sleep` of Python 3.11.
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

_FILE = Path(os.environ["MUSTER_BENCH_CLOCK"])
_true_ns = time.time_ns


def _wrong_ns() -> int:
    return _true_ns() + int(_FILE.read_text()) * 1_000_000_000


def _wrong_now() -> datetime:
    return datetime.fromtimestamp(_wrong_ns() / 1e9, UTC)


time.time_ns = _wrong_ns
time.time = lambda: _wrong_ns() / 1e9

sys.path.insert(0, str(Path.cwd()))  # as `python -m` will do: the same code as without us

from muster.clock import AppealClock  # noqa: E402 - after the clock has been set wrong

AppealClock.__init__.__defaults__ = (_wrong_now,)
