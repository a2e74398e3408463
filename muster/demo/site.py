"""Where a rehearsal takes place: a simulated gateway and workers, each a process of its own, on a log and a database."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from muster.clock import AppealClock, real_now
from muster.demo.processes import PATIENCE, free_port, running
from muster.demo.story import Commands
from muster.demo.witness import Verdict, Witness, judge
from muster.settings import Settings, read_settings
from registry.database import Database


@dataclass(frozen=True, slots=True)
class Plan:
    """What a site is made of.  `settings` are those of every process, by their names as keywords; `gateway` the options
    of `muster smsc-sim`.
    """  # noqa: D205

    folder: Path
    log: str = ""  # empty: a file in the folder
    database: str = ""
    speed: float = 1.0
    settings: Mapping[str, object] = field(default_factory=dict)
    gateway: Sequence[str] = ()
    keep: bool = False  # leave the processes running
    patience: float = PATIENCE  # seconds that a process may take until it is ready


class Worker:
    """One worker process; `log` is the file that it says everything into."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def kill(self) -> None:
        """As a crash would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """In good order."""
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    def freeze(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)


class Site:
    """A gateway that runs, and as many workers as are started."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        environment: Mapping[str, str],
        witness: Witness,
        gateway_pid: int,
        stack: AsyncExitStack,
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.environment = environment
        self.witness = witness
        self.gateway_pid = gateway_pid
        self.commands = Commands(environment)
        self.clock = AppealClock(settings.clock.start, settings.clock.speed)
        self.database = stack.enter_context(Database(settings.database))
        self.session: aiohttp.ClientSession = witness.session
        self._stack = stack
        self._workers = 0

    async def start_worker(self, **environment: str) -> Worker:
        """A worker that has said that it is ready; it ends with the site, if not before.  Raises `ProcessFailed`.

        `environment` is what it alone gets beyond the site's own.
        """
        self._workers += 1
        name, port = f"worker-{self._workers}", free_port()
        process = await self._stack.enter_async_context(
            running(
                name,
                "worker",
                environment={**self.environment, "MUSTER_METRICS_PORT": str(port), **environment},
                logs=self.plan.folder,
                ready=partial(self._ready, port),
                keep=self.plan.keep,
                patience=self.plan.patience,
            )
        )
        return Worker(process, self.plan.folder / f"{name}.log")

    async def misbehave(self, **mischief: object) -> None:
        """Let the gateway do this wrong from now on; without any, let it behave again."""
        async with self.session.post(f"{self.witness.url}/misbehave", json=mischief) as response:
            response.raise_for_status()

    async def judge(self, appeal_id: str) -> Verdict:
        """The appeal as the witness and the ledger tell it together."""
        counts = await self.witness.counts()
        seen = {name: await self.witness.numbers(name) for name in counts if name.startswith(f"mass/{appeal_id}/")}
        return await self.database.read(partial(judge, appeal_id=appeal_id, counts=counts, seen=seen))

    async def _ready(self, port: int) -> bool:
        try:
            async with self.session.get(f"http://127.0.0.1:{port}/metrics") as response:
                return "muster_worker_ready 1.0" in await response.text()
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def open_site(plan: Plan) -> AsyncIterator[Site]:
    """Start the gateway.  What was started ends with the context, unless it is to be kept."""
    smpp, http = free_port(), free_port()
    overrides = _overrides(plan, smpp)
    settings, environment = read_settings(**overrides), _environment(overrides)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        witness = Witness(f"http://127.0.0.1:{http}", session)
        gateway = await stack.enter_async_context(
            running(
                "smsc-sim",
                *("smsc-sim", "--port", str(smpp), "--http-port", str(http)),
                *("--state-dir", str(plan.folder / "witness"), *plan.gateway),
                environment=environment,
                logs=plan.folder,
                ready=witness.healthy,
                keep=plan.keep,
            )
        )
        yield Site(plan, settings, environment, witness, gateway.pid, stack)


def _overrides(plan: Plan, smpp: int) -> dict[str, object]:
    found: dict[str, object] = {
        "home": plan.folder,
        "log": plan.log or f"sqlite:///{plan.folder}/log.db",
        "database": plan.database or f"sqlite:///{plan.folder}/muster.db",
        "clock": {"start": real_now().isoformat(), "speed": plan.speed},
        "sms": {"host": "127.0.0.1", "port": smpp, "simulator": True, "binds": 2, "window": 8192},
    }
    for name, value in plan.settings.items():
        before = found.get(name)
        found[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, Mapping) else value
    return found


def _environment(overrides: Mapping[str, object]) -> dict[str, str]:
    """The same settings as environment variables; nothing of the caller's leaks in."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    for name, value in overrides.items():
        if isinstance(value, Mapping):
            own |= {f"MUSTER_{name}__{key}".upper(): _write(part) for key, part in value.items()}
        else:
            own[f"MUSTER_{name}".upper()] = _write(value)
    return own


def _write(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
