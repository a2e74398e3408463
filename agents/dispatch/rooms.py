"""Room for a claim: places of the window, or of what may be claimed ahead of its turn, and the journal of its progress."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from agents.dispatch.ahead import Ahead
from agents.dispatch.batch import Batch
from agents.dispatch.records import Turned
from notifiers.ports import Notifier, Window
from registry.journal import Journal, Journals
from schemas.words import Channel


@dataclass(slots=True)
class Places:
    """Room for so many positions, under this token, and the journal of their progress if one is kept.

    `claimed` tells that a claim may stand: as long as there is no record, the journal is left to whoever comes after.
    """

    count: int
    token: str
    journal: Journal | None = None
    claimed: bool = False
    recorded: asyncio.Future[Turned | None] | None = None


class Rooms:
    """Those of one lane."""

    def __init__(self, journals: Journals, new_token: Callable[[], str], *, urgent: bool) -> None:
        self._journals = journals
        self._new_token = new_token
        self._urgent = urgent
        self._ahead: dict[Channel, Ahead] = {}

    def keep(self, leases: Collection[str]) -> None:
        """Batches under other leases wait for no room ahead any more: they raise `Busy`."""
        for ahead in self._ahead.values():
            ahead.keep(leases)

    @asynccontextmanager
    async def take(self, batch: Batch, notifier: Notifier, wanted: int) -> AsyncIterator[Places]:
        """Wait for room for so many members, or fewer; it is free again at the end, when their record stands in the queue."""
        places = Places(0, self._new_token())
        if batch.mass and not batch.again and notifier.keeps_progress:
            places.journal = self._journals.begin(places.token)
        try:
            if places.journal is None:
                places.count = await notifier.window.take(wanted, urgent=self._urgent)
                give_back = partial(self._give_back, notifier.window, places)
            else:
                ahead = self._ahead.setdefault(batch.draft.channel, Ahead(notifier.window))
                places.count = await ahead.take(wanted, lease=batch.lease)
                give_back = partial(ahead.give_back, places.count)
            try:
                yield places
            finally:
                give_back()
        finally:
            self._end_journal(places)

    def _give_back(self, window: Window, places: Places) -> None:
        window.give_back(places.count, urgent=self._urgent, recorded=places.recorded)

    def _end_journal(self, places: Places) -> None:
        """It goes with the record of its claim, or at once if there is no claim; else it is left to whoever comes after."""
        journal, journals = places.journal, self._journals
        if journal is None:
            return
        if places.recorded is not None:
            places.recorded.add_done_callback(
                lambda done: journal.close() if done.cancelled() or done.exception() else journals.give_back(journal)
            )
        elif places.claimed:
            journal.close()
        else:
            journals.give_back(journal)
