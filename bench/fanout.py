"""Messages a second from a launched appeal to the gateway, the ledger on, lost and doubled counted by the gateway.

    python bench/fanout.py [--messages 100000] [--contender embedded,kafka] [--peer kannel] [--receipts both]
                           [--delay-ms 0,20] [--window 200,0] [--binds 2] [--workers 1,2,4] [--rounds 1] [--json FILE]
                           [--profile FOLDER]

A member of a real registry gets a real appeal: selection, batches through Faust, claims, rendering, socket, responses,
records, receipts stored raw and joined to their members.  The clock runs from the first message at the gateway to the
last one (`seconds_sent`), or, with receipts, until the last receipt is joined in the database (`seconds`).  How Kannel is
fed and timed is said in `bench/kannel.py`.  All contenders take turns within each case, and the whole is repeated
`--rounds` times; all, and the gateway, share one machine, so what counts is the ratio within one run.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import select

from bench.cases import Case, Contender, Result, cpu_seconds, gateway_options
from bench.kannel import KannelContender
from bench.sites import SPEED, fill_registry, plan_on, until_told_to_stop
from muster.demo.site import Plan, open_site
from muster.demo.story import drill_spec, launch
from muster.demo.witness import Witness
from registry import ledger
from registry.database import Database
from registry.receipts import DELIVERIES

BEST_WINDOW = 16_384


class Muster:
    """A Muster with its own registry; `plan` says on which log and database."""

    def __init__(self, name: str, plan: Plan, *, workers: int, binds: int, profile: Path | None) -> None:
        self.name = name
        self._plan = plan
        self._workers = workers
        self._binds = binds
        self._profile = profile

    async def prepare(self, messages: int) -> None:
        """Members, unless another number of workers on the same log and database has brought them."""
        await fill_registry(self._plan, messages)

    async def measure(self, case: Case, messages: int) -> Result:
        window, binds = (case.window, 1) if case.window else (BEST_WINDOW, self._binds)
        sms = {"binds": binds, "window": window, "registered_delivery": case.receipts}
        plan = replace(
            self._plan, speed=SPEED, settings={**self._plan.settings, "sms": sms}, gateway=gateway_options(case, window)
        )
        async with open_site(plan) as site:
            workers = [await site.start_worker() for _ in range(self._workers)]
            before = cpu_seconds(worker.pid for worker in workers)
            appeal = await launch(site.commands, drill_spec(messages), plan.folder, "bench")
            with _profiled(self._profile, f"{self.name}-{case.receipts}-{case.delay_ms}-{window}", workers[0].pid):
                await _all_seen(site.witness, appeal, messages)
                joined = await _all_joined(site.database, appeal, messages) if case.receipts else 0.0
            await site.witness.settle(quiet=0.2)
            await _all_recorded(site.database, appeal, messages)
            used = cpu_seconds(worker.pid for worker in workers) - before
            verdict = await site.judge(appeal)
            await site.commands.run("appeal", "stop", appeal, "--reason", "measured")
        seconds = max(verdict.last, joined) - verdict.first
        return Result(
            name=self.name,
            receipts=case.receipts,
            delay_ms=case.delay_ms,
            window=window,
            best=not case.window,
            binds=binds,
            workers=self._workers,
            messages=verdict.seen,
            seconds=round(seconds, 3),
            seconds_sent=round(verdict.seconds, 3),
            messages_per_second=round(verdict.seen / seconds),
            sender_cpu_us=round(used / verdict.seen * 1e6, 1),
            lost=verdict.lost + max(0, messages - verdict.invited),
            duplicates=verdict.doubled,
        )


class _profiled:  # noqa: N801 - reads as a phrase
    """`py-spy` beside the first worker while the messages leave, where a folder for its findings is given."""

    def __init__(self, folder: Path | None, name: str, pid: int) -> None:
        self._folder, self._name, self._pid = folder, name, pid
        self._spy: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> None:
        if self._folder is None:
            return
        out = self._folder / f"{self._name}.txt"
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
            await asyncio.sleep(0.05 if joined < 0.7 * messages else 0.01)  # near the end it is this that is measured
    return time.time()


async def _all_recorded(database: Database, appeal: str, messages: int) -> None:
    """Wait (bounded) until what has left is also recorded: the records of the last ranges follow their answers."""
    for _ in range(100):
        fates = await database.read(partial(ledger.fates, appeal_id=appeal))
        if sum(fates.values()) >= messages:
            return
        await asyncio.sleep(0.1)


async def run(options: argparse.Namespace) -> list[Result]:
    """All cases with all contenders, one after the other and then from the start again."""
    results: list[Result] = []
    cases = [
        Case(receipts, delay, window)
        for receipts in {"both": (False, True), "no": (False,), "yes": (True,)}[options.receipts]
        for delay in options.delay_ms
        for window in options.window
    ]
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, ExitStack() as servers:
        contenders = [
            contender for name in options.contender for contender in _contenders(name, Path(folder), options, servers)
        ]
        try:
            for contender in contenders:
                await contender.prepare(options.messages)
            for _ in range(options.rounds):
                for case in cases:
                    for contender in contenders:
                        results.append(await contender.measure(case, options.messages))
                        print(asdict(results[-1]), flush=True)
                        _keep(results, options.json)  # what was measured is not lost with what comes after
        except BaseException:
            _print_last_words(Path(folder))
            raise
    return results


def _print_last_words(folder: Path) -> None:
    for log in folder.glob("**/*.log"):
        print(log.name, *log.read_text(errors="replace").splitlines()[-12:], sep="\n  ")


def _contenders(name: str, folder: Path, options: argparse.Namespace, servers: ExitStack) -> Iterator[Contender]:
    """Those of one kind; their servers run until the end."""
    home = folder / name
    home.mkdir()
    match name:
        case "embedded" | "kafka":
            plan = plan_on(name, home, servers)
            for workers in options.workers if name == "kafka" else [1]:
                yield Muster(name, plan, workers=workers, binds=options.binds, profile=options.profile)
        case "copied":
            plan = replace(plan_on("embedded", home, servers), settings={"ledger_copy": home / "second"})
            yield Muster(name, plan, workers=1, binds=options.binds, profile=options.profile)
        case "kannel":
            yield KannelContender(home)
        case _:
            raise SystemExit(f"{name}: a contender is one of embedded, copied, kafka and kannel")


def table(results: Sequence[Result]) -> str:
    """Each contender's median round of each case, and how many times Kannel's median of the same run that is."""
    rates: dict[tuple[bool, int, str], dict[str, list[int]]] = {}
    for found in results:
        window = "best" if found.best else str(found.window)
        name = f"{found.name} x{found.workers}" if found.workers > 1 else found.name
        rates.setdefault((found.receipts, found.delay_ms, window), {}).setdefault(name, []).append(
            found.messages_per_second
        )
    lines = [f"{'receipts':8} {'delay':>5} {'window':>6}  {'contender':12} {'messages/s':>10}  times Kannel"]
    for (receipts, delay, window), by_name in rates.items():
        middle = {name: statistics.median(values) for name, values in by_name.items()}
        for name, rate in middle.items():
            ratio = f"{rate / middle['kannel']:.1f}" if "kannel" in middle else "-"
            lines.append(f"{'yes' if receipts else 'no':8} {delay:5} {window:>6}  {name:12} {rate:10,.0f}  {ratio}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument(
        "--contender",
        type=_words,
        default=["embedded", "kafka"],
        help="of embedded, copied (the same with a ledger copy on the same disk), kafka",
    )
    parser.add_argument("--peer", type=_words, default=[], help="measured beside them: kannel")
    parser.add_argument("--receipts", choices=["both", "no", "yes"], default="both")
    parser.add_argument("--delay-ms", type=_numbers, default=[0, 20], help="of the gateway's answers")
    parser.add_argument("--window", type=_numbers, default=[200, 0], help="on both sides, with one bind; 0 = its best")
    parser.add_argument("--binds", type=int, default=2, help="of each of our workers at its best")
    parser.add_argument("--workers", type=_numbers, default=[1], help="on Kafka, each number is measured")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", type=Path, help="a folder for py-spy's findings")
    options = parser.parse_args()
    options.contender += options.peer
    results = asyncio.run(until_told_to_stop(run(options)))
    print(table(results))


def _keep(results: Sequence[Result], path: Path | None) -> None:
    if path:
        path.write_text(json.dumps({"contenders": [asdict(result) for result in results]}, indent=2) + "\n")


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
