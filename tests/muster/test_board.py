"""The board's own arithmetic: how fast it goes, and how far it is, as seen by somebody who stays and watches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from muster.board import Pace, Rates, View, read
from muster.board_view import draw
from registry import board, ledger
from registry.database import Database
from registry.ledger import Fate, Range, Record
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import launch

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
VIEW = View(
    **dict.fromkeys(View.__slots__, 0)
    | {"appeal_id": "a-1234", "status": "open", "drill": False, "need": 5, "waves": (), "latest": ()}
    | {"launched_at": NOW, "now": NOW, "deadline": NOW + timedelta(hours=4)}
)


def drawn(view: View, rates: Rates | None) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(draw(view, rates))
    return captured.get()


def test_rates_are_those_of_the_last_seconds():
    moments = iter([0.0, 1.0, 3.0, 4.0, 100.0])
    pace = Pace(lambda: next(moments))
    sent = [pace.after(replace(VIEW, messages=sent, delivered=sent // 2)) for sent in (0, 1000, 1000, 1000, 1000)]
    assert sent[:2] == [None, Rates(1000, 500)]
    assert sent[2] == Rates(pytest.approx(1000 / 3), pytest.approx(500 / 3))
    assert sent[3:] == [Rates(0, 0), Rates(0, 0)]


def test_the_board_shows_rates_and_always_says_what_is_uncertain():
    assert "1,234 sent/s   567 delivered/s" in drawn(VIEW, Rates(1234.4, 567))
    assert "sent/s" not in drawn(VIEW, None)
    assert "0 uncertain" in drawn(VIEW, None)
    assert "7 uncertain" in drawn(replace(VIEW, uncertain=7), None)


def test_what_was_delivered_has_been_sent():
    lines = drawn(replace(VIEW, messages=10, delivered=30), None).splitlines()
    assert [line.split()[3] for line in lines if "messages sent" in line] == ["30"]


def test_a_batch_that_is_not_done_is_seen_to_go_on(database: Database):
    appeal = launch().appeal_id
    fates = bytes([Fate.SENT] * 7 + [Fate.SHARED, Fate.REFUSED])
    with database.transaction() as connection:
        open_appeal(connection, launch())
        board.put_counts(connection, appeal, {"waves": 1, "wave1_invited": 1000, "invited": 1000}, NOW)
        span = Range(f"{appeal}/1/0/0", 0, len(fates))
        ledger.record(connection, [Record(span, appeal, 1, fates, ("",) * len(fates))], NOW)
    with database.snapshot() as connection:
        view = read(connection, appeal, NOW)
    assert (view.messages, view.waves[0].messages, view.waves[0].sent) == (7, 7, 8)
