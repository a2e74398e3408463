"""What kills, stops and breaks do to a mass appeal: lost, doubled and uncertain members, counted by the gateway itself.

    python bench/faults.py --log embedded|kafka [--kills N] [--each N] [--members M] [--per-appeal N] [--seed S]
                           [--only NAME,...] [--json FILE]

A registry gets appeal after appeal; at seeded random moments of each fan-out a fault hits it.  A member is lost who was
invited and is neither seen by the gateway nor named withdrawn, refused or uncertain; doubled is a number that it saw
more than once for one appeal and wave.  Both must be 0, whatever happens, and no worker that nobody killed may end.
Meanwhile people answer yes, answer no and opt out: what each said must be stored, have its effect, be counted and be
acknowledged, once.
`resume_seconds` is the longest time until messages left again: from the death, the cut or the waking, and from the
return of what was away.  Exit code 1 when the promise broke.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fire.faults import FAULTS, Fault
from bench.fire.front import WINDOW, Front, Stuck, open_front
from bench.fire.toll import Toll, take_toll
from bench.fire.voices import Hearing

KILL = "worker killed"
LIMIT_SECONDS = 30.0


@dataclass
class Row:
    fault: str
    times: int = 0
    lost: int = 0
    duplicates: int = 0
    uncertain: int = 0
    most_uncertain: int = 0  # by one fault
    resume_seconds: float | None = None
    resume_median: float | None = None
    broken: list[str] = field(default_factory=list)


def plan_faults(log: str, kills: int, each: int, chance: random.Random) -> list[Fault]:
    """All that will happen, in a random order."""
    others = [fault for fault in FAULTS.values() if log in fault.on and fault.name != KILL]
    faults = [FAULTS[KILL]] * kills + others * each
    chance.shuffle(faults)
    return faults


async def run(options: argparse.Namespace, folder: Path) -> list[Row]:
    chance = random.Random(options.seed)
    left = plan_faults(options.log, options.kills, options.each, chance)
    if options.only:
        left = [FAULTS[name] for name in options.only] * options.each
    tolls: list[Toll] = []
    heard: list[Hearing] = []
    started = time.monotonic()
    async with open_front(options.log, options.members, options.seed, folder) as front:
        number = 0
        while left:
            number, began = number + 1, time.monotonic()
            taken = await _appeal(front, left[: options.per_appeal], number)
            if not taken:
                raise Stuck("the fan-out was over before the first fault: give more --members")
            left = left[len(taken) :]
            tolls += taken
            heard.append(taken[0].heard)
            print(f"appeal {number}: {time.monotonic() - began:.0f} s, {len(left)} faults left", flush=True)
            if options.json:
                write(options, rows_of(tolls, options.limit), heard, started)
    show_heard(heard)
    return rows_of(tolls, options.limit)


async def _appeal(front: Front, faults: list[Fault], number: int) -> list[Toll]:
    tolls = await take_toll(front, faults, number)
    for toll in tolls:
        print(f"  {toll}", flush=True)
    return tolls


def rows_of(tolls: list[Toll], limit: float) -> list[Row]:
    rows: dict[str, Row] = {}
    resumed: defaultdict[str, list[float]] = defaultdict(list)
    for toll in tolls:
        row = rows.setdefault(toll.fault.name, Row(toll.fault.name))
        row.times += 1
        row.lost += toll.lost
        row.duplicates += toll.doubled
        row.uncertain += toll.uncertain
        row.most_uncertain = max(row.most_uncertain, toll.uncertain)
        row.broken += broken(toll, limit)
        if toll.resumed is not None:
            resumed[row.fault].append(toll.resumed)
    for name, seconds in resumed.items():
        rows[name].resume_seconds, rows[name].resume_median = round(max(seconds), 1), round(median(seconds), 1)
    return [rows[name] for name in FAULTS if name in rows]


def broken(toll: Toll, limit: float) -> list[str]:
    """What of the promise this fault broke."""
    found = [toll.trouble] if toll.trouble else []
    if toll.lost:
        found.append(f"{toll.lost} lost")
    if toll.doubled:
        found.append(f"{toll.doubled} doubled")
    if toll.heard.lost or toll.heard.doubled:
        found.append(f"of {toll.heard}")
    if toll.uncertain > toll.fault.deaths * WINDOW:
        found.append(f"{toll.uncertain} uncertain, more than {toll.fault.deaths} windows of {WINDOW}")
    if toll.resumed is not None and toll.resumed > limit:
        found.append(f"resumed after {toll.resumed:.1f} s")
    return found


def write(options: argparse.Namespace, rows: list[Row], heard: list[Hearing], began: float) -> None:
    """After each appeal, so that what was measured outlives whatever comes next."""
    command = {key: getattr(options, key) for key in ("log", "kills", "each", "members", "per_appeal", "seed", "only")}
    report = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[2], 1),
        "seconds": round(time.monotonic() - began),
        "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])),
        "faults": [asdict(row) for row in rows],
        "replies": _sums(heard),
    }
    options.json.write_text(json.dumps(report, indent=2) + "\n")


def _sums(heard: list[Hearing]) -> dict[str, int]:
    """Replies while faults happened; doubled were stored, counted or acknowledged more than once."""
    return {name: sum(getattr(hearing, name) for hearing in heard) for name in ("said", "lost", "doubled")}


def show_heard(heard: list[Hearing]) -> None:
    sums = _sums(heard)
    print(f"{sums['said']} replies meanwhile: {sums['lost']} lost, {sums['doubled']} doubled", flush=True)


def show(rows: list[Row]) -> None:
    print(
        f"{'fault':30} {'times':>5} {'lost':>5} {'doubled':>7} {'uncertain':>9} {'most':>5} {'resume s':>8} {'median':>6}"
    )
    for row in rows:
        longest = "" if row.resume_seconds is None else f"{row.resume_seconds:.1f}"
        usual = "" if row.resume_median is None else f"{row.resume_median:.1f}"
        print(
            f"{row.fault:30} {row.times:5} {row.lost:5} {row.duplicates:7} {row.uncertain:9} {row.most_uncertain:5}"
            f" {longest:>8} {usual:>6}  {'; '.join(row.broken)}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=["embedded", "kafka"], default="embedded")
    parser.add_argument("--kills", type=int, default=10, help="kill -9 of one worker, so many times")
    parser.add_argument("--each", type=int, default=1, help="every other fault, so many times")
    parser.add_argument("--members", type=int, default=30_000, help="invited by each appeal")
    parser.add_argument("--per-appeal", type=int, default=8, help="faults in one fan-out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], help="only these, --each times, in turn"
    )
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds within which messages leave again")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep-logs", type=Path, help="a folder for the processes' logs")
    options = parser.parse_args()
    if unknown := set(options.only) - set(FAULTS):
        parser.error(f"--only: no fault is called {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
    with tempfile.TemporaryDirectory(prefix="muster-faults-") as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name  # a worker that is killed leaves a folder behind
        # Told to end, it ends what it started, as after Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            rows = asyncio.run(run(options, folder))
        finally:
            if options.keep_logs:
                options.keep_logs.mkdir(parents=True, exist_ok=True)
                for log in folder.glob("*.log"):
                    (options.keep_logs / log.name).write_bytes(log.read_bytes())
    show(rows)
    return 1 if any(row.broken for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
