"""`muster demo`: runs the story and the recall drill on real sockets and reports what the witness counted."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.live import Live

from muster import board
from muster.board_view import draw
from muster.demo.desk import RehearsalDesk
from muster.demo.processes import ensure_alive
from muster.demo.recall import recall
from muster.demo.report import Findings, facts, show
from muster.demo.site import Plan, Site, open_site
from muster.demo.staff import at_work
from muster.demo.story import Narrator, launch, story_spec, until_closed
from muster.demo.tour import write_tour
from rehearsal.generate import generate_members

STORY_LIMIT = 600.0
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
    """Where the rehearsal takes place, and who works there."""

    options: Options
    site: Site
    desk: RehearsalDesk
    console: Console
    alive: Callable[[], None]


async def rehearse(options: Options, console: Console) -> dict[str, object]:
    """Run it all; the figures."""
    began = time.monotonic()
    folder = options.folder
    people = folder / "members.csv.people.csv"
    console.print(f"[bold]1[/] {options.members:,} made-up members are generated and imported", highlight=False)
    await asyncio.to_thread(generate_members, options.members, seed=options.seed, out=folder / "members.csv")
    gateway = ("--seed", str(options.seed), "--people", str(people))
    async with open_site(Plan(folder, speed=options.speed, gateway=gateway, keep=options.keep)) as site:
        imported = await site.commands.run("members", "import", str(folder / "members.csv"))
        console.print(
            f"  {imported['added']:,} members, {imported['rows_per_second']:,.0f} rows a second", highlight=False
        )
        worker = await site.start_worker()
        desk = RehearsalDesk(site.database, shards=site.settings.shards, now=site.clock.now, new_id=_new_id)
        stage = Stage(options, site, desk, console, partial(ensure_alive, worker))
        figures = await _perform(stage, float(imported["rows_per_second"]), began)  # type: ignore[arg-type]
        tour = write_tour(site, [site.gateway_pid, worker.pid]) if options.keep else ""
    if options.report is not None:
        options.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show(figures, console)
    console.print(tour, markup=False, highlight=False, soft_wrap=True)
    return figures


async def _perform(stage: Stage, rows_per_second: float, began: float) -> dict[str, object]:
    options, console, site = stage.options, stage.console, stage.site
    console.print(
        f"[bold]2[/] The appeal: platelets, group AB, {options.need} donors, four hours at {options.speed:g}x",
        highlight=False,
    )
    async with at_work(site, stage.desk, seed=options.seed):
        story = await launch(site.commands, story_spec(options.need), options.folder, "story")
        view = await _watch(stage, story)
        await site.witness.settle()
    verdict = await site.judge(story)
    counts = await site.witness.counts()
    told = counts.get(f"stand-down/{story}/0", {})
    waves = [counts[name] for name in counts if name.startswith(f"mass/{story}/")]
    largest = max(waves, key=lambda wave: wave["messages"])
    console.print(
        "[bold]3[/] The recall drill: the deciding confirmation comes when half of the messages have left",
        soft_wrap=True,
    )
    drill, recall_ms = await recall(
        site, stage.desk, size=min(_DRILL_SIZE, round(options.members * 2 / 3)), share=0.5, alive=stage.alive
    )
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
            stage.site.database, appeal_id, stage.site.clock, Narrator(stage.console), stage.alive, limit=STORY_LIMIT
        )
    pace = board.Pace()
    with Live(console=stage.console, auto_refresh=False) as live:
        return await until_closed(
            stage.site.database,
            appeal_id,
            stage.site.clock,
            lambda view: live.update(draw(view, pace.after(view)), refresh=True),
            stage.alive,
            limit=STORY_LIMIT,
        )


def _new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
