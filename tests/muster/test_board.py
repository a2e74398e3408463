"""The board's own arithmetic: how fast it goes, and how far it is, as seen by somebody who stays and watches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy import update

from muster.board import Pace, Rates, View, read
from muster.board_view import draw
from registry import board, ledger
from registry.appeals import APPEALS
from registry.database import Database
from registry.ledger import Fate, Range, Record
from tests.agents.opened import open_appeal
from tests.decisions.appeals.samples import NIGHT, launch

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
VIEW = View(
    **dict.fromkeys(View.__slots__, 0)
    | {"appeal_id": "a-1234", "status": "open", "drill": False, "need": 5, "waves": (), "latest": ()}
    | {"last_message_after_ms": None, "launched_at": NOW, "now": NOW, "deadline": NOW + timedelta(hours=4)}
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


def _recorded(*fates: Fate, first: int, after: float) -> tuple[Record, datetime]:
    span = Range(f"{launch().appeal_id}/1/0/0", first, first + len(fates))
    return Record(span, launch().appeal_id, 1, bytes(fates), ("",) * len(fates)), NIGHT + timedelta(seconds=after)


def test_an_appeal_that_has_ended_says_how_late_its_last_message_left(database: Database):
    appeal = launch().appeal_id
    with database.transaction() as connection:
        open_appeal(connection, launch())
        for record, at in (
            _recorded(Fate.SENT, Fate.SENT, first=0, after=-1),
            _recorded(Fate.SENT, Fate.WITHDRAWN, Fate.SENT, first=2, after=0.205),
            _recorded(Fate.SENT, first=5, after=0.1),
            _recorded(Fate.WITHDRAWN, Fate.UNCERTAIN, first=6, after=9),
        ):
            ledger.record(connection, [record], at)
    assert _late(database, appeal) == (0, None)
    with database.transaction() as connection:
        connection.execute(update(APPEALS).values(status="filled", closed_at=NIGHT))
    assert _late(database, appeal) == (3, 205)


def _late(database: Database, appeal: str) -> tuple[int, int | None]:
    with database.snapshot() as connection:
        view = read(connection, appeal, NIGHT)
    facts = view.as_json()
    assert (facts["messages_after_end"], facts["last_message_after_ms"]) == (
        view.messages_after_end,
        view.last_message_after_ms,
    )
    return view.messages_after_end, view.last_message_after_ms


def test_the_end_of_an_appeal_is_told_in_words():
    assert "Ended" not in drawn(VIEW, None)
    assert "Ended: no message left after that." in drawn(replace(VIEW, status="filled", last_message_after_ms=0), None)
    late = replace(VIEW, status="filled", messages_after_end=12_345, last_message_after_ms=205)
    assert "Ended with at most 12,345 messages on their way; the last left within 0.2 s." in drawn(late, None)
