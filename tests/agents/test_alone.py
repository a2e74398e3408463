"""Shared work outlives the database: it ends with it, and is taken up again by whoever gets the lock first."""

from collections.abc import Iterator
from contextlib import contextmanager

from agents.alone import alone
from registry.errors import DatabaseUnreachable


class Over(Exception):
    """Ends what never ends."""


class Times:
    """What happened, in order; over with the fifth pause."""

    def __init__(self, *locks: bool | None) -> None:
        self.happened: list[str] = []
        self._locks = iter(locks)
        self._pauses = len(locks)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        held = next(self._locks)
        if held is None:
            raise DatabaseUnreachable("connection refused")
        yield held
        self.happened.append("given back")

    async def work(self) -> None:
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
    assert await run(Times(True, True)) == ["worked", "worked"]


async def test_who_stands_by_waits_while_the_database_is_away():
    assert await run(Times(False, None, None, True)) == ["given back", "worked"]
