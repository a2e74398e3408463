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
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
from sqlalchemy import select

from muster.demo.processes import free_port, running
from muster.demo.story import Commands, drill_spec, launch
from muster.demo.witness import Witness, judge
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
    home: Path
    environment: Mapping[str, str]
    workers: int
    profile: Path | None


def _environment(home: Path, log: str, database: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return own | {"MUSTER_HOME": str(home), "MUSTER_LOG": log, "MUSTER_DATABASE": database}


async def prepare(contender: Contender, messages: int) -> None:
    """Import enough members that the drill's wave finds `messages` of them."""
    table = contender.home / "members.csv"
    await asyncio.to_thread(generate_members, round(messages * 3 / 2) + 1000, seed=1, out=table)
    await Commands(contender.environment).run("members", "import", str(table))


async def measure(contender: Contender, case: Case, messages: int, binds: int) -> Result:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        smpp, http = free_port(), free_port()
        witness = Witness(f"http://127.0.0.1:{http}", session)
        window = case.window or BEST_WINDOW
        environment = {
            **contender.environment,
            # Handsets confirm after seconds or minutes of appeal time, which is none of what is measured here.
            "MUSTER_CLOCK__START": datetime.now(UTC).isoformat(),
            "MUSTER_CLOCK__SPEED": "100",
            "MUSTER_SMS__PORT": str(smpp),
            "MUSTER_SMS__SIMULATOR": "true",
            "MUSTER_SMS__BINDS": str(1 if case.window else binds),
            "MUSTER_SMS__WINDOW": str(window),
            "MUSTER_SMS__REGISTERED_DELIVERY": str(case.receipts).lower(),
        }
        limits = ("--latency-ms", str(case.delay_ms), "--receipts", "1" if case.receipts else "0")
        await stack.enter_async_context(
            running(
                "smsc-sim",
                *("smsc-sim", "--port", str(smpp), "--http-port", str(http), "--undelivered", "0", *limits),
                *(("--window", str(case.window)) if case.window else ()),
                environment=environment,
                logs=contender.home,
                ready=witness.healthy,
            )
        )
        for number in range(contender.workers):
            await stack.enter_async_context(_worker(contender, environment, session, number))
        appeal = await launch(Commands(environment), drill_spec(messages), contender.home, "bench")
        database = stack.enter_context(Database(environment["MUSTER_DATABASE"]))
        with _profiled(contender, case):
            await _all_seen(witness, appeal, messages)
            joined = await _all_joined(database, appeal, messages) if case.receipts else 0.0
        await witness.settle(quiet=0.2)
        counts = await witness.counts()
        reference = f"mass/{appeal}/1"
        seen = {reference: await witness.numbers(reference)}
        await _all_recorded(database, appeal, messages)
        verdict = await database.read(partial(judge, appeal_id=appeal, counts=counts, seen=seen, size=256))
        await Commands(environment).run("appeal", "stop", appeal, "--reason", "measured")
    seconds = max(verdict.last, joined) - verdict.first
    return Result(
        name=contender.name,
        receipts=case.receipts,
        delay_ms=case.delay_ms,
        window=case.window or BEST_WINDOW,
        messages=verdict.seen,
        seconds=round(seconds, 3),
        seconds_sent=round(verdict.seconds, 3),
        messages_per_second=round(verdict.seen / seconds),
        lost=verdict.lost + max(0, messages - verdict.invited),
        duplicates=verdict.doubled,
    )


@asynccontextmanager
async def _worker(
    contender: Contender, environment: Mapping[str, str], session: aiohttp.ClientSession, number: int
) -> AsyncIterator[None]:
    metrics = free_port()

    async def ready() -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{metrics}/metrics") as response:
                return "muster_worker_ready 1.0" in await response.text()
        except aiohttp.ClientError:
            return False

    async with running(
        f"worker-{number}",
        "worker",
        environment={**environment, "MUSTER_METRICS_PORT": str(metrics)},
        logs=contender.home,
        ready=ready,
    ) as process:
        (contender.home / f"worker-{number}.pid").write_text(str(process.pid))
        yield


class _profiled:  # noqa: N801 - reads as a phrase
    """`py-spy` beside the first worker while the messages leave, where a folder for its findings is given."""

    def __init__(self, contender: Contender, case: Case) -> None:
        self._contender, self._case = contender, case
        self._spy: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> None:
        if self._contender.profile is None:
            return
        pid = (self._contender.home / "worker-0.pid").read_text()
        out = self._contender.profile / f"{self._contender.name}-{self._case.receipts}-{self._case.delay_ms}.txt"
        command = ["py-spy", "record", "-f", "raw", "-r", "200", "-d", "600", "-t", "-g", "-o", str(out), "-p", pid]
        self._spy = subprocess.Popen(command, stdout=subprocess.DEVNULL)

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
            environment = _environment(home, f"sqlite:///{home}/log.db", f"sqlite:///{home}/muster.db")
            contender = Contender(name, home, environment, 1, options.profile)
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
