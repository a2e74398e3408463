"""What the demo found: facts for programs, and a page that a duty officer understands."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from muster.board import View
from muster.demo.witness import Verdict


@dataclass(frozen=True, slots=True)
class Findings:
    """The story's appeal and the recall drill, as the witness counted them."""

    members: int
    matched: int
    story: Verdict
    view: View
    stood_down: int
    stand_downs_doubled: int
    drill: Verdict
    recall_ms: float
    import_rows_per_second: float
    seconds_in_all: float


def facts(found: Findings, fanout_seconds: float, fanout_messages: int) -> dict[str, object]:
    """The figures of the issue by their names; everything about messages is the witness's count."""
    return {
        "members": found.members,
        "matched": found.matched,
        "invited": found.story.invited,
        "messages_sent": found.story.seen,
        "accepted": found.view.accepted,
        "confirmed": found.view.confirmed,
        "need": found.view.need,
        "need_met": found.view.status == "filled",
        "stood_down": found.stood_down,
        "duplicates": found.story.doubled + found.drill.doubled + found.stand_downs_doubled,
        "lost": found.story.lost + found.drill.lost,
        "uncertain": found.story.uncertain + found.drill.uncertain,
        "refused": found.story.refused,
        "seconds_fanout": round(fanout_seconds, 3),
        "messages_per_second": round(fanout_messages / fanout_seconds) if fanout_seconds else 0,
        "withdrawn": found.drill.withdrawn,
        "recall_ms": round(found.recall_ms, 1),
        "drill_invited": found.drill.invited,
        "drill_messages_sent": found.drill.seen,
        "import_rows_per_second": round(found.import_rows_per_second),
        "seconds": round(found.seconds_in_all, 1),
    }


def show(figures: dict[str, object], console: Console) -> None:
    """The report."""

    def number(name: str) -> str:
        value = figures[name]
        return f"{value:,}" if isinstance(value, int) else str(value)

    met = "The need is met." if figures["need_met"] else "The deadline came before the need was met."
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    rows = (
        ("members", "members in the registry"),
        ("matched", "fitted the appeal (known to match, or type unknown)"),
        ("invited", "were invited"),
        ("messages_sent", "messages reached the gateway, counted by the gateway itself"),
        ("accepted", "said yes, by SMS or by calling the hotline"),
        ("confirmed", "were confirmed by a coordinator"),
        ("stood_down", "others were thanked and stood down"),
        ("lost", "messages lost"),
        ("duplicates", "messages doubled"),
        ("uncertain", "members of whom it is uncertain whether they were reached"),
    )
    for name, words in rows:
        table.add_row(number(name), words)
    console.print()
    console.rule(met, align="left")
    console.print(table)
    console.print(
        f"\nSpeed: {number('messages_per_second')} messages a second, every one of them written to the ledger before it left."
        f"\nRecall drill: {number('withdrawn')} of {number('drill_invited')} messages were held back; the last one left"
        f" {figures['recall_ms']} ms after the deciding confirmation.",
        highlight=False,
    )
