"""Muster at its full size: import, start, preview, and an appeal that texts all card holders, in time, memory and disk.

    python bench/size.py [--log embedded] [--members 3400000] [--messages 1800000] [--previews 5] [--receipts] [--json FILE]

A registry of `--members` is generated and imported; a worker starts on it (*ready* is from its start as a process to its own
word that it is ready) and answers previews of an appeal with two waves: *answer* is what the worker takes for that,
*preview* the whole of `muster appeal preview` as an officer types it, *start* that of a command that asks nobody.  When the
worker has kept all shards on disk, it stops: *preview without worker* is the command's when nobody runs, *ready from
snapshot* the start of the next worker.  Then an appeal texts `--messages` members.  Memory is that of the worker and of the
process that joins receipts, looked at twice a second: *after a tenth* of the messages and *at the end* say whether it grows.
Disk is what log and database have grown by, for each message.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.sites import SPEED, plan_on, until_told_to_stop
from muster.demo.site import Plan, Site, Worker, open_site
from muster.demo.story import drill_spec, launch, story_spec
from muster.preview_ask import ask_worker
from rehearsal.generate import generate_members
from schemas.spec import AppealSpec

LOOK_EVERY = 0.5
PATIENCE = 180.0
SMS = {"binds": 2, "window": 8192}
Facts = dict[str, object]


async def measure(plan: Plan, options: argparse.Namespace) -> Facts:
    """Everything, in the order in which it would happen."""
    table = plan.folder / "members.csv"
    await asyncio.to_thread(generate_members, options.members, seed=1, out=table)
    sms = {**SMS, "registered_delivery": options.receipts}
    gateway = ("--window", "8192", "--undelivered", "0")
    settings = {**plan.settings, "sms": sms, "snapshots": plan.folder}
    plan = replace(plan, speed=SPEED, settings=settings, gateway=gateway, patience=PATIENCE)
    facts: Facts = {"log": options.log, "members": options.members}
    async with open_site(plan) as site:
        began = time.monotonic()
        await site.commands.run("members", "import", str(table))
        facts["import_seconds"] = round(time.monotonic() - began, 1)
        table.unlink()
        facts["start_ms"] = await _times(site, options.previews, "appeal", "list")
        began = time.monotonic()
        worker = await site.start_worker()
        facts["ready_seconds"] = round(time.monotonic() - began, 1)
        facts["ready_mib"] = sum(_memory(worker).values())
        spec = plan.folder / "preview.yaml"
        spec.write_text(json.dumps(story_spec(15)))  # JSON is YAML
        facts["answer_ms"] = await asyncio.to_thread(_answers, site, options.previews)
        facts["preview_ms"] = await _times(site, options.previews, "appeal", "preview", str(spec))
        facts["snapshot_mib"] = await _kept(site)
        await worker.stop()
        facts["preview_without_worker_ms"] = await _times(site, options.previews, "appeal", "preview", str(spec))
        facts["ready_from_snapshot_seconds"] = await _starts(site, options.previews)
        worker = await site.start_worker()
        facts |= await _fan_out(site, worker, options.messages)
    return facts


async def _starts(site: Site, count: int) -> list[float]:
    """Seconds until a worker was ready, so many times."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        worker = await site.start_worker()
        took.append(round(time.monotonic() - began, 1))
        await worker.stop()
    return took


async def _kept(site: Site) -> int:
    """MiB of all shards on disk, once they are there."""
    folder = site.settings.members_folder
    assert folder is not None
    began = time.monotonic()
    while len(list(folder.glob("*.npz"))) < site.settings.shards:
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"the worker has not kept its shards in {folder}")
        await asyncio.sleep(LOOK_EVERY)
    return sum(path.stat().st_size for path in folder.iterdir()) >> 20


async def _times(site: Site, count: int, *command: str) -> list[int]:
    """Milliseconds of the whole command, so many times."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        await site.commands.run(*command)
        took.append(round((time.monotonic() - began) * 1000))
    return took


def _answers(site: Site, count: int) -> list[int]:
    """Milliseconds in which the worker answers a preview, so many times."""
    spec = AppealSpec.model_validate(story_spec(15))
    took = []
    for _ in range(count):
        began = time.monotonic()
        if ask_worker(spec, site.settings) is None:
            raise RuntimeError("the worker gave no answer")
        took.append(round((time.monotonic() - began) * 1000))
    return took


async def _fan_out(site: Site, worker: Worker, messages: int) -> Facts:
    disk = _disk(site.plan.folder)
    appeal = await launch(site.commands, drill_spec(messages), site.plan.folder, "size")
    seen, since, most, early = 0.0, time.monotonic(), 0, 0
    while seen < messages and time.monotonic() - since < PATIENCE:
        await asyncio.sleep(LOOK_EVERY)
        counts = await site.witness.counts()
        now = sum(entry["messages"] for name, entry in counts.items() if name.startswith(f"mass/{appeal}/"))
        if now != seen:
            seen, since = now, time.monotonic()
        most = max(most, sum(_memory(worker).values()))
        if not early and seen >= messages / 10:
            early = most
    await site.witness.settle(quiet=1.0)
    grown = _disk(site.plan.folder)
    verdict = await site.judge(appeal)
    await site.commands.run("appeal", "stop", appeal, "--reason", "measured")
    return {
        "messages": verdict.seen,
        "lost": verdict.lost,
        "duplicates": verdict.doubled,
        "uncertain": verdict.uncertain,
        "messages_per_second": round(verdict.seen / verdict.seconds),
        "after_a_tenth_mib": early,
        "at_most_mib": most,
        "at_the_end_mib": sum(_memory(worker).values()),
        "disk_bytes_a_message": {name: round((grown[name] - disk[name]) / verdict.seen, 1) for name in grown},
    }


def _memory(worker: Worker) -> dict[int, int]:
    """MiB of the worker and of its children, by process: pages that they have to themselves or share with others."""
    found = {}
    for pid in (worker.pid, *_children(worker.pid)):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found[pid] = next((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS:")), 0)
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _disk(folder: Path) -> dict[str, int]:
    """Bytes of the embedded log and of the embedded database, what is not yet written back included; none on servers."""
    files = {name: list(folder.glob(f"{name}.db*")) for name in ("log", "muster")}
    return {name: sum(path.stat().st_size for path in paths) for name, paths in files.items() if paths}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--members", type=int, default=3_400_000)
    parser.add_argument("--messages", type=int, default=1_800_000)
    parser.add_argument("--previews", type=int, default=5)
    parser.add_argument("--receipts", action="store_true", help="ask for a receipt of each message")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles Muster anew for each command
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as home, ExitStack() as servers:
        facts = asyncio.run(until_told_to_stop(measure(plan_on(options.log, Path(home), servers), options)))
    for name, value in facts.items():
        print(f"{name:32}{value}")
    if options.json:
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
