"""`muster demo`: runs the story and the recall drill on real sockets and reports what the witness counted."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
from rich.console import Console
from rich.live import Live

from muster import board
from muster.clock import AppealClock, real_now
from muster.demo.desk import RehearsalDesk
from muster.demo.processes import ensure_alive, free_port, running
from muster.demo.report import Findings, facts, show
from muster.demo.story import Commands, Narrator, drill_spec, launch, story_spec, until_closed
from muster.demo.witness import Verdict, Witness, judge
from muster.settings import Settings, read_settings
from registry.database import Database
from rehearsal.coordinators import screen_answers
from rehearsal.generate import generate_members
from rehearsal.seats import staff_seats
from rehearsal.telephone import Telephone

STORY_LIMIT = 600.0
T = TypeVar("T")
_DRILL_SIZE = 200_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the person at the terminal chose."""

    members: int
    seed: int
    speed: float
    need: int
    keep: bool
    folder: Path
    report: Path | None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the rehearsal takes place."""

    options: Options
    settings: Settings
    clock: AppealClock
    database: Database
    session: aiohttp.ClientSession
    witness: Witness
    commands: Commands
    console: Console
    desk: RehearsalDesk
    alive: Callable[[], None]


async def rehearse(options: Options, console: Console) -> dict[str, object]:
    """Run it all; the figures."""
    began = time.monotonic()
    start = real_now()
    smpp, http, metrics = free_port(), free_port(), free_port()
    environment = _environment(options, start, smpp, metrics)
    settings = read_settings(**_overrides(options, start, smpp, metrics))
    commands = Commands(environment)
    console.print(f"[bold]1[/] {options.members:,} made-up members are generated and imported", highlight=False)
    imported = await _import(options, commands, console)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        witness = Witness(f"http://127.0.0.1:{http}", session)
        people = options.folder / "members.csv.people.csv"
        await stack.enter_async_context(
            running(
                "smsc-sim",
                *("smsc-sim", "--port", str(smpp), "--http-port", str(http), "--seed", str(options.seed)),
                *("--people", str(people), "--state-dir", str(options.folder / "witness")),
                environment=environment,
                logs=options.folder,
                ready=witness.healthy,
                keep=options.keep,
            )
        )
        worker = await stack.enter_async_context(
            running(
                "worker",
                "worker",
                environment=environment,
                logs=options.folder,
                ready=partial(_answers, session, f"http://127.0.0.1:{metrics}/metrics"),
                keep=options.keep,
            )
        )
        database = stack.enter_context(Database(settings.database))
        clock = AppealClock(start, options.speed)
        desk = RehearsalDesk(database, shards=settings.shards, now=clock.now, new_id=_new_id)
        stage = Stage(
            options,
            settings,
            clock,
            database,
            session,
            witness,
            commands,
            console,
            desk,
            partial(ensure_alive, worker, options.folder / "worker.log"),
        )
        figures = await _perform(stage, float(imported["rows_per_second"]), began)  # type: ignore[arg-type]
    if options.report is not None:
        options.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show(figures, console)
    return figures


async def _perform(stage: Stage, rows_per_second: float, began: float) -> dict[str, object]:
    options, console = stage.options, stage.console
    console.print(
        f"[bold]2[/] The appeal: platelets, group AB, {options.need} donors, four hours at {options.speed:g}x"
    )
    telephone = Telephone(stage.session, stage.witness.url)
    now, speed, seed = stage.clock.now, options.speed, options.seed
    async with asyncio.TaskGroup() as people:
        working = [
            people.create_task(staff_seats(telephone, stage.desk, now, speed, seed=seed)),
            people.create_task(screen_answers(stage.desk, telephone, now, speed, seed=seed)),
        ]
        story = await launch(stage.commands, story_spec(options.need), options.folder, "story")
        view = await _watch(stage, story)
        await stage.witness.settle()
        for task in working:
            task.cancel()
    verdict = await _judge(stage, story)
    counts = await stage.witness.counts()
    told = counts.get(f"stand-down/{story}/0", {})
    waves = [counts[name] for name in counts if name.startswith(f"mass/{story}/")]
    largest = max(waves, key=lambda wave: wave["messages"])
    console.print("[bold]3[/] The recall drill: the deciding confirmation comes when half of the messages have left")
    drill, recall_ms = await _recall(stage)
    found = Findings(
        members=options.members,
        matched=view.matched,
        story=verdict,
        view=view,
        stood_down=int(told.get("messages", 0)),
        stand_downs_doubled=int(told.get("doubled", 0)),
        drill=drill,
        recall_ms=recall_ms,
        import_rows_per_second=rows_per_second,
        seconds_in_all=time.monotonic() - began,
    )
    return facts(found, largest["last"] - largest["first"], int(largest["messages"]))


async def _watch(stage: Stage, appeal_id: str) -> board.View:
    """The live board where there is a terminal, lines where there is none."""
    if not stage.console.is_terminal:
        return await until_closed(
            stage.database, appeal_id, stage.clock, Narrator(stage.console), stage.alive, limit=STORY_LIMIT
        )
    with Live(console=stage.console, auto_refresh=False) as live:
        return await until_closed(
            stage.database,
            appeal_id,
            stage.clock,
            lambda view: live.update(board.draw(view), refresh=True),
            stage.alive,
            limit=STORY_LIMIT,
        )


async def _recall(stage: Stage) -> tuple[Verdict, float]:
    """A second appeal, filled by one confirmation in the middle of its wave."""
    size = min(_DRILL_SIZE, round(stage.options.members * 2 / 3))
    appeal_id = await launch(stage.commands, drill_spec(size), stage.options.folder, "drill")
    reference = f"mass/{appeal_id}/1"
    member = await _first_asked(stage, reference)
    await stage.desk.record_answer(member, said_yes=True)
    waiting = await _until(stage.desk.open_yes, lambda found: any(entry.appeal_id == appeal_id for entry in found))
    decisive = next(entry for entry in waiting if entry.appeal_id == appeal_id)
    await _until(
        stage.witness.counts, lambda counts: counts.get(reference, {}).get("messages", 0) >= size / 2, every=0.01
    )
    await stage.desk.confirm(appeal_id, decisive.member_id, matched=True)
    acknowledged = time.time()
    await until_closed(stage.database, appeal_id, stage.clock, lambda _: None, stage.alive, limit=60)
    await stage.witness.settle()
    verdict = await _judge(stage, appeal_id)
    return verdict, max(0.0, (verdict.last - acknowledged) * 1000)


async def _first_asked(stage: Stage, reference: str) -> str:
    numbers = await _until(partial(stage.witness.numbers, reference), bool, every=0.02)
    return min(numbers)


async def _until(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, every: float = 0.05) -> T:
    """What `ask` answers once it is good.  Raises `TimeoutError` after a minute."""
    async with asyncio.timeout(60):
        found = await ask()
        while not good(found):
            await asyncio.sleep(every)
            found = await ask()
    return found


async def _judge(stage: Stage, appeal_id: str) -> Verdict:
    counts = await stage.witness.counts()
    seen = {name: await stage.witness.numbers(name) for name in counts if name.startswith(f"mass/{appeal_id}/")}
    return await stage.database.read(
        partial(judge, appeal_id=appeal_id, counts=counts, seen=seen, size=stage.settings.dispatch.batch_size)
    )


async def _import(options: Options, commands: Commands, console: Console) -> dict[str, object]:
    table = options.folder / "members.csv"
    await asyncio.to_thread(generate_members, options.members, seed=options.seed, out=table)
    imported = await commands.run("members", "import", str(table))
    console.print(f"  {imported['added']:,} members, {imported['rows_per_second']:,.0f} rows a second", highlight=False)
    return imported


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return "muster_worker_ready 1.0" in await response.text()
    except aiohttp.ClientError:
        return False


def _overrides(options: Options, start: datetime, smpp: int, metrics: int) -> dict[str, object]:
    return {
        "home": options.folder,
        "log": f"sqlite:///{options.folder}/log.db",
        "database": f"sqlite:///{options.folder}/muster.db",
        "metrics_port": metrics,
        "clock": {"start": start.isoformat(), "speed": options.speed},
        "sms": {"host": "127.0.0.1", "port": smpp, "simulator": True, "binds": 2, "window": 8192},
        "dispatch": {"lease_seconds": 3},
    }


def _environment(options: Options, start: datetime, smpp: int, metrics: int) -> dict[str, str]:
    """The settings of every process of the rehearsal, as environment variables; nothing of the caller's leaks in."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    for name, value in _overrides(options, start, smpp, metrics).items():
        if isinstance(value, dict):
            own |= {f"MUSTER_{name}__{key}".upper(): _write(part) for key, part in value.items()}
        else:
            own[f"MUSTER_{name}".upper()] = _write(value)
    return own


def _write(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
