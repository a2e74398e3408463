"""Messages a second from a launched appeal to the gateway, the ledger on, lost and doubled counted by the gateway.

    python bench/fanout.py [--messages 100000] [--contender embedded] [--receipts both] [--delay-ms 0,20]
                           [--window 0,200] [--binds 2] [--rounds 1] [--json FILE] [--profile FOLDER]

A member of a real registry gets a real appeal: selection, batches through Faust, claims, rendering, socket, responses,
records, receipts stored raw and joined to their members.  The clock runs from the first message at the gateway to the
last one (`seconds_sent`), or, with receipts, until the last receipt is joined in the database (`seconds`).
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import select

from muster.demo.site import Plan, open_site
from muster.demo.story import drill_spec, launch
from muster.demo.witness import Witness
from registry import ledger
from registry.database import Database
from registry.receipts import DELIVERIES
from rehearsal.generate import generate_members

BEST_WINDOW = 8192


@dataclass(frozen=True, slots=True)
class Case:
    """One setting of the gateway and of our side of the link; `window` 0 means the contender's best."""

    receipts: bool
    delay_ms: int
    window: int


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    receipts: bool
    delay_ms: int
    window: int
    messages: int
    seconds: float
    seconds_sent: float
    messages_per_second: float
    lost: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A Muster with its own registry, ready to be started again and again."""

    name: str
    plan: Plan
    workers: int
    profile: Path | None


async def prepare(contender: Contender, messages: int) -> None:
    """Import enough members that the drill's wave finds `messages` of them."""
    table = contender.plan.folder / "members.csv"
    await asyncio.to_thread(generate_members, round(messages * 3 / 2) + 1000, seed=1, out=table)
    async with open_site(contender.plan) as site:
        await site.commands.run("members", "import", str(table))


async def measure(contender: Contender, case: Case, messages: int, binds: int) -> Result:
    window = case.window or BEST_WINDOW
    sms = {"binds": 1 if case.window else binds, "window": window, "registered_delivery": case.receipts}
    plan = replace(
        contender.plan,
        # Handsets confirm after seconds or minutes of appeal time, which is none of what is measured here.
        speed=100,
        settings={"sms": sms},
        gateway=(
            *("--latency-ms", str(case.delay_ms), "--window", str(case.window), "--undelivered", "0"),
            *("--receipts", "1" if case.receipts else "0"),
        ),
    )
    async with open_site(plan) as site:
        workers = [await site.start_worker() for _ in range(contender.workers)]
        appeal = await launch(site.commands, drill_spec(messages), plan.folder, "bench")
        with _profiled(contender, case, workers[0].pid):
            await _all_seen(site.witness, appeal, messages)
            joined = await _all_joined(site.database, appeal, messages) if case.receipts else 0.0
        await site.witness.settle(quiet=0.2)
        await _all_recorded(site.database, appeal, messages)
        verdict = await site.judge(appeal)
        await site.commands.run("appeal", "stop", appeal, "--reason", "measured")
    seconds = max(verdict.last, joined) - verdict.first
    return Result(
        name=contender.name,
        receipts=case.receipts,
        delay_ms=case.delay_ms,
        window=window,
        messages=verdict.seen,
        seconds=round(seconds, 3),
        seconds_sent=round(verdict.seconds, 3),
        messages_per_second=round(verdict.seen / seconds),
        lost=verdict.lost + max(0, messages - verdict.invited),
        duplicates=verdict.doubled,
    )


class _profiled:  # noqa: N801 - reads as a phrase
    """`py-spy` beside the first worker while the messages leave, where a folder for its findings is given."""

    def __init__(self, contender: Contender, case: Case, pid: int) -> None:
        self._contender, self._case, self._pid = contender, case, pid
        self._spy: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> None:
        if self._contender.profile is None:
            return
        out = self._contender.profile / f"{self._contender.name}-{self._case.receipts}-{self._case.delay_ms}.txt"
        command = ["py-spy", "record", "-f", "raw", "-r", "200", "-d", "600", "-t", "-g", "-o", str(out)]
        self._spy = subprocess.Popen([*command, "-p", str(self._pid)], stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        if self._spy is not None:
            self._spy.send_signal(2)
            self._spy.wait(20)


async def _all_seen(witness: Witness, appeal: str, messages: int) -> None:
    """Return when the gateway has them all.  Raises `TimeoutError` when nothing new has come for half a minute."""
    seen, since = -1.0, time.monotonic()
    while seen < messages:
        counts = await witness.counts()
        now = counts.get(f"mass/{appeal}/1", {}).get("messages", 0)
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > 30:
            raise TimeoutError(f"{seen:.0f} of {messages} messages arrived")
        await asyncio.sleep(0.1)


async def _all_joined(database: Database, appeal: str, messages: int) -> float:
    """The moment (epoch seconds) at which the last receipt had been joined to its member."""
    joined, since = -1, time.monotonic()
    while joined < messages:
        rows = await database.read(
            lambda connection: (
                connection.execute(select(DELIVERIES.c.states).where(DELIVERIES.c.appeal_id == appeal)).scalars().all()
            )
        )
        now = sum(len(states) - bytes(states).count(0) for states in rows)
        if now != joined:
            joined, since = now, time.monotonic()
        elif time.monotonic() - since > 30:
            raise TimeoutError(f"{joined} of {messages} receipts were joined")
        if joined < messages:
            await asyncio.sleep(0.05)
    return time.time()


async def _all_recorded(database: Database, appeal: str, messages: int) -> None:
    """Wait (bounded) until what has left is also recorded: the records of the last ranges follow their answers."""
    for _ in range(100):
        fates = await database.read(partial(ledger.fates, appeal_id=appeal))
        if sum(fates.values()) >= messages:
            return
        await asyncio.sleep(0.1)


async def run(options: argparse.Namespace) -> list[Result]:
    results: list[Result] = []
    cases = [
        Case(receipts, delay, window)
        for receipts in {"both": (False, True), "no": (False,), "yes": (True,)}[options.receipts]
        for delay in options.delay_ms
        for window in options.window
    ]
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        for name in options.contender:
            home = Path(folder) / name
            home.mkdir()
            contender = Contender(name, Plan(home), 1, options.profile)
            try:
                await prepare(contender, options.messages)
                for _ in range(options.rounds):
                    for case in cases:
                        result = await measure(contender, case, options.messages, options.binds)
                        results.append(result)
                        print(asdict(result), flush=True)
            except BaseException:
                for log in home.glob("*.log"):
                    print(log.name, *log.read_text(errors="replace").splitlines()[-12:], sep="\n  ")
                raise
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--contender", type=lambda text: text.split(","), default=["embedded"])
    parser.add_argument("--receipts", choices=["both", "no", "yes"], default="both")
    parser.add_argument("--delay-ms", type=lambda text: [int(part) for part in text.split(",")], default=[0])
    parser.add_argument("--window", type=lambda text: [int(part) for part in text.split(",")], default=[0])
    parser.add_argument("--binds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", type=Path, help="a folder for py-spy's findings")
    options = parser.parse_args()
    results = asyncio.run(run(options))
    if options.json:
        options.json.write_text(json.dumps({"contenders": [asdict(result) for result in results]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
