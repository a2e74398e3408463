"""The board as it is drawn, and kept fresh, in a terminal."""

import itertools
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from muster.board import Pace, Rates, View, read
from registry.database import Database

_LOOKS_AT_WORKERS = 20  # a look at the board in so many is one at the workers, too
_NOBODY_WORKS = Text("No worker runs: nothing is sent and no answer is read.\nStart one: muster worker", "bold red")
_STYLES = {"open": "bold green", "paused": "bold yellow", "filled": "bold cyan", "stopped": "red", "expired": "yellow"}


def draw(view: View, pace: Rates | None = None, *, works: bool = True) -> Panel:
    """The whole board; it fits 80 columns.  Rates are shown to those who stay and watch; `works`: somebody sends and reads."""
    style = _STYLES.get(view.status, "bold")
    title = Text.assemble(
        ("Appeal ", "bold"),
        (view.appeal_id, "bold"),
        "  ",
        (view.status.upper(), style),
        "  DRILL" if view.drill else "",
    )
    parts: list[RenderableType] = [
        _headline(view),
        "",
        _funnel(view),
        "",
        _wave_table(view),
        "",
        _troubles(view, pace),
        "",
        _happened(view),
    ]
    if not works and not view.over:
        parts += ["", _NOBODY_WORKS]
    return Panel(
        Group(*parts),
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
    clock = Text("ended") if view.over else Text(f"{_hours(view.left)} left", "bold")
    grid.add_row(confirmed, clock)
    bar = ProgressBar(total=view.need, completed=min(view.confirmed, view.need), width=56)
    grid.add_row(bar, Text(f"until {view.deadline.astimezone():%H:%M}"))
    return grid


def _funnel(view: View) -> Table:
    """From matched to confirmed; a step's bar is drawn on a scale that lets the few at the end be seen."""
    steps = [
        ("matched", view.matched),
        ("invited", view.invited),
        # Receipts are counted sooner than the batches that they belong to.
        ("messages sent", max(view.messages, view.delivered)),
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


def _troubles(view: View, pace: Rates | None) -> Text:
    """What somebody may have to look after; whether anything is uncertain is always said."""
    parts: list[tuple[str, str]] = []
    for name, number, style in (
        ("withdrawn", view.withdrawn, "cyan"),
        ("stood down", view.stood_down, "cyan"),
        ("opted out", view.opted_out, "yellow"),
        ("refused by the gateway", view.refused, "yellow"),
        ("uncertain", view.uncertain, "bold red"),
        ("settled by receipts", view.settled, "cyan"),
        ("asked again", view.asked_again, "cyan"),
        ("on the desk (muster desk list)", view.desk, "bold yellow"),
    ):
        if number or name == "uncertain":
            parts += [(f"{number:,} ", style if number else "dim"), (f"{name}   ", "" if number else "dim")]
    if view.last_message_after_ms is not None:
        parts.append((_ended(view.messages_after_end, view.last_message_after_ms), "dim"))
    if pace is not None:
        parts.append((f"\n{pace.sent:,.0f} sent/s   {pace.delivered:,.0f} delivered/s", "" if pace.sent else "dim"))
    return Text.assemble(*parts)


def _ended(messages: int, milliseconds: int) -> str:
    if not messages:
        return "\nEnded: no message left after that."
    return f"\nEnded with at most {messages:,} messages on their way; the last left within {milliseconds / 1000:.1f} s."


def _happened(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    for line in view.latest:
        table.add_row(Text(f"{line.at.astimezone():%H:%M:%S}", "dim"), line.text)
    return table


def _hours(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def watch(
    database: Database,
    appeal_id: str,
    now: Callable[[], datetime],
    console: Console,
    *,
    worker_runs: Callable[[], bool],
    every: float = 0.25,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the board and keep it fresh until the appeal has ended or Ctrl-C."""

    def look() -> View:
        with database.snapshot() as connection:
            return read(connection, appeal_id, now())

    view, pace, works = look(), Pace(), worker_runs()
    try:
        with Live(draw(view, works=works), console=console, auto_refresh=False) as live:
            for looks in itertools.count(1):
                if looks % _LOOKS_AT_WORKERS == 0:
                    works = worker_runs()
                live.update(draw(view, pace.after(view), works=works), refresh=True)
                if view.over:
                    return
                sleep(every)
                view = look()
    except KeyboardInterrupt:
        return
