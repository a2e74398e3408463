"""Shared work outlives the database: it ends with it, and is taken up again by whoever gets the lock first."""

from collections.abc import Iterator
from contextlib import contextmanager

from agents.alone import Ensure, alone
from registry.errors import DatabaseUnreachable


class Over(Exception):
    """Ends what never ends."""


class Lock:
    """Lost once the others have taken it."""

    def __init__(self, *, lost: bool = False) -> None:
        self._lost = lost

    def ensure(self) -> None:
        if self._lost:
            raise DatabaseUnreachable("the session that held the lock has ended")


class Times:
    """What happened, in order.  Each turn: the lock, or that somebody else has it, or that the database is away."""

    def __init__(self, *turns: Lock | str) -> None:
        self.happened: list[str] = []
        self._turns = iter(turns)
        self._pauses = len(turns)

    @contextmanager
    def lock(self) -> Iterator[Lock | None]:
        turn = next(self._turns)
        if turn == "away":
            raise DatabaseUnreachable("connection refused")
        yield turn if isinstance(turn, Lock) else None
        self.happened.append("given back")

    async def work(self, ensure_alone: Ensure) -> None:
        await ensure_alone()
        self.happened.append("worked")
        raise DatabaseUnreachable("server closed the connection")

    async def sleep(self, _: float) -> None:
        self._pauses -= 1
        if not self._pauses:
            raise Over


async def run(times: Times) -> list[str]:
    try:
        await alone(times.lock, times.work, pause=1, sleep=times.sleep)
    except Over:
        return times.happened
    raise AssertionError("it ended by itself")


async def test_a_database_that_goes_away_ends_the_work_and_gives_the_lock_up():
    # The lock of a server that died is gone: who went on as if it were held would work beside somebody else.
    assert await run(Times(Lock(), Lock())) == ["worked", "worked"]


async def test_who_stands_by_waits_while_the_database_is_away():
    assert await run(Times("theirs", "away", "away", Lock())) == ["given back", "worked"]


async def test_who_has_lost_the_lock_unawares_stops_before_the_next_deed():
    assert await run(Times(Lock(lost=True), "theirs", Lock())) == ["given back", "worked"]
