"""The live board in a terminal: one appeal, from matched members to confirmed donors, in one look."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from decisions.appeals.state import AppealState
from registry import appeals, board, replies, uncertain
from registry.database import Database
from registry.uncertain import Doubtful
from schemas.spec import AppealSpec
from schemas.words import Answer

_LATEST = 8
_STYLES = {"open": "bold green", "paused": "bold yellow", "filled": "bold cyan", "stopped": "red", "expired": "yellow"}
_SAID = {
    "launched": "appeal launched, {need} needed",
    "wave": "wave {wave} opened: {matched:,} match, {invited:,} invited",
    "yes": "member {member} said yes by {channel}",
    "no": "member {member} said no by {channel}",
    "withdrawn": "member {member} took the yes back",
    "confirmed": "member {member} confirmed",
    "no-match": "member {member} is no match",
    "repeat": "wave {wave}: {members:,} uncertain members asked a second time",
    "paused": "paused by {by}",
    "resumed": "resumed by {by}",
    "filled": "need met: {confirmed} confirmed, {unreleased:,} withdrawn before release",
    "expired": "deadline passed with {confirmed} confirmed",
    "stopped": "stopped with {confirmed} confirmed",
}


@dataclass(frozen=True, slots=True)
class Happened:
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Wave:
    number: int
    opens_at: datetime
    opened: bool
    matched: int
    invited: int
    sent: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class View:
    """All that the board shows, as read in one snapshot."""

    appeal_id: str
    status: str
    drill: bool
    need: int
    launched_at: datetime
    deadline: datetime
    now: datetime
    matched: int
    invited: int
    messages: int
    delivered: int
    accepted: int
    declined: int
    screened: int
    confirmed: int
    stood_down: int
    refused: int
    uncertain: int  # to this moment
    settled: int  # had been uncertain until a receipt came
    asked_again: int  # had been uncertain, and may have a second message
    withdrawn: int
    opted_out: int
    desk: int
    waves: tuple[Wave, ...]
    latest: tuple[Happened, ...]

    @property
    def left(self) -> timedelta:
        return max(timedelta(), self.deadline - self.now)

    def as_json(self) -> dict[str, object]:
        names = [name for name in self.__slots__ if name not in {"waves", "latest", "now"}]
        facts: dict[str, object] = {name: getattr(self, name) for name in names}
        facts["need_met"] = self.confirmed >= self.need
        facts["seconds_left"] = round(self.left.total_seconds())
        facts["waves"] = [{name: getattr(wave, name) for name in wave.__slots__} for wave in self.waves]
        return facts


def read(connection: Connection, appeal_id: str, now: datetime) -> View:
    """The board of this appeal.  Raises `NotFound`."""
    row = appeals.appeal(connection, appeal_id)
    spec = AppealSpec.model_validate_json(row.spec)
    counts = board.counts(connection, appeal_id)
    said = replies.answers(connection, appeal_id)
    doubtful = uncertain.doubtful(connection, appeal_id)
    state = AppealState.model_validate_json(row.state) if row.state else None

    def count(name: str) -> int:
        return int(counts.get(name, 0))  # type: ignore[call-overload, no-any-return]

    return View(
        appeal_id=appeal_id,
        status=row.status,
        drill=row.drill,
        need=spec.need,
        launched_at=row.launched_at,
        deadline=row.deadline,
        now=row.closed_at or now,
        matched=count("matched"),
        invited=sum(wave.invited for wave in state.waves) if state else 0,
        messages=count("messages"),
        delivered=count("delivered"),
        accepted=sum(entry.answer == Answer.YES for entry in said),
        declined=sum(entry.answer != Answer.YES for entry in said),
        screened=sum(entry.matched is not None for entry in said),
        confirmed=sum(bool(entry.matched) and entry.answer == Answer.YES for entry in said),
        stood_down=count("stood_down"),
        refused=count("refused"),
        uncertain=_still_uncertain(doubtful),
        settled=sum(item.settled(position) for item in doubtful for position in item.named),
        asked_again=sum(len(item.repeated()) for item in doubtful),
        withdrawn=count("withdrawn") + _unreleased(state),
        opted_out=count("opted_out"),
        desk=len(replies.waiting_for_a_person(connection)),
        waves=tuple(_waves(spec, row.launched_at, count, doubtful)),
        latest=tuple(
            Happened(line.happened_at, _SAID[line.what].format(**_details(line.details)))
            for line in board.latest(connection, appeal_id, _LATEST)
        ),
    )


def _still_uncertain(doubtful: Sequence[Doubtful]) -> int:
    return sum(len(item.still()) for item in doubtful)


def _unreleased(state: AppealState | None) -> int:
    return state.unreleased() if state is not None and state.status.closed else 0


def _details(text: str) -> dict[str, object]:
    return dict(json.loads(text))


def _waves(
    spec: AppealSpec, launched_at: datetime, count: Callable[[str], int], doubtful: Sequence[Doubtful]
) -> list[Wave]:
    return [
        Wave(
            number=number,
            opens_at=launched_at + wave.after,
            opened=count("waves") >= number,
            matched=count(f"wave{number}_matched"),
            invited=count(f"wave{number}_invited"),
            sent=count(f"wave{number}_sent"),
            uncertain=_still_uncertain([item for item in doubtful if item.name.wave == number]),
        )
        for number, wave in enumerate(spec.waves, start=1)
    ]


# --- drawing --------------------------------------------------------------------------------------------------------


def draw(view: View) -> Panel:
    """The whole board; it fits 80 columns."""
    style = _STYLES.get(view.status, "bold")
    title = Text.assemble(
        ("Appeal ", "bold"),
        (view.appeal_id, "bold"),
        "  ",
        (view.status.upper(), style),
        "  DRILL" if view.drill else "",
    )
    return Panel(
        Group(_headline(view), "", _funnel(view), "", _wave_table(view), "", _troubles(view), "", _happened(view)),
        title=title,
        title_align="left",
        border_style=style,
        width=80,
    )


def _headline(view: View) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    confirmed = Text.assemble((f"{view.confirmed}", "bold green"), f" of {view.need} confirmed")
    over = view.status not in appeals.OPEN
    clock = Text("ended") if over else Text(f"{_hours(view.left)} left", "bold")
    grid.add_row(confirmed, clock)
    bar = ProgressBar(total=view.need, completed=min(view.confirmed, view.need), width=56)
    grid.add_row(bar, Text(f"until {view.deadline.astimezone():%H:%M}"))
    return grid


def _funnel(view: View) -> Table:
    """From matched to confirmed; a step's bar is drawn on a scale that lets the few at the end be seen."""
    steps = [
        ("matched", view.matched),
        ("invited", view.invited),
        ("messages sent", view.messages),
        ("delivered", view.delivered),
        ("said yes", view.accepted),
        ("screened", view.screened),
        ("confirmed", view.confirmed),
    ]
    most = max(1, *(number for _, number in steps))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", width=14)
    table.add_column(justify="right", width=10)
    table.add_column()
    for name, number in steps:
        length = (
            0
            if number == 0
            else max(1, round(46 * (len(str(number)) - 1 + number / 10 ** len(str(number))) / len(str(most))))
        )
        table.add_row(name, f"{number:,}", Text("━" * min(46, length), "green" if name == "confirmed" else "cyan"))
    return table


def _wave_table(view: View) -> Table:
    table = Table("wave", "opens", "matched", "invited", "sent", "done", box=None, padding=(0, 2), header_style="dim")
    for column in table.columns[2:]:
        column.justify = "right"
    for wave in view.waves:
        done = f"{wave.sent / wave.invited:.0%}" if wave.invited else ""
        numbers = (
            (f"{wave.matched:,}", f"{wave.invited:,}", f"{wave.sent:,}", done) if wave.opened else ("", "", "", "")
        )
        table.add_row(
            str(wave.number), f"{wave.opens_at.astimezone():%H:%M}", *numbers, style="" if wave.opened else "dim"
        )
    return table


def _troubles(view: View) -> Text:
    parts: list[tuple[str, str]] = []
    for name, number, style in (
        ("withdrawn", view.withdrawn, "cyan"),
        ("stood down", view.stood_down, "cyan"),
        ("opted out", view.opted_out, "yellow"),
        ("refused by the gateway", view.refused, "yellow"),
        ("uncertain", view.uncertain, "bold red"),
        ("settled by receipts", view.settled, "cyan"),
        ("asked again", view.asked_again, "cyan"),
        ("waiting for a person", view.desk, "bold yellow"),
    ):
        if number:
            parts += [(f"{number:,} ", style), (f"{name}   ", "")]
    return Text.assemble(*parts) if parts else Text("nothing needs attention", "dim")


def _happened(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    for line in view.latest:
        table.add_row(Text(f"{line.at.astimezone():%H:%M:%S}", "dim"), line.text)
    return table


def _hours(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


# --- watching -------------------------------------------------------------------------------------------------------


def watch(
    database: Database,
    appeal_id: str,
    now: Callable[[], datetime],
    console: Console,
    *,
    every: float = 0.25,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the board and keep it fresh until the appeal has ended or Ctrl-C."""

    def look() -> View:
        with database.snapshot() as connection:
            return read(connection, appeal_id, now())

    view = look()
    try:
        with Live(draw(view), console=console, auto_refresh=False) as live:
            while True:
                live.update(draw(view), refresh=True)
                if view.status not in appeals.OPEN:
                    return
                sleep(every)
                view = look()
    except KeyboardInterrupt:
        return
