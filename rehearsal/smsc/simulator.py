"""All parts of the simulator put together, apart from sockets."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from rehearsal.handsets import Handsets
from rehearsal.people import People
from rehearsal.smsc.agenda import Agenda
from rehearsal.smsc.deliveries import Acknowledged, Deliveries
from rehearsal.smsc.gateway import Gateway
from rehearsal.smsc.mood import Mischief, Mood
from rehearsal.smsc.network import Network
from rehearsal.smsc.record import Record
from rehearsal.smsc.session import Session
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.spool import Spool

_TICK = 0.02  # seconds of real time between two looks at what is due
_RECEIPT_STEP = 0.05  # receipts that fall into one such step of real time leave together


class Simulator:
    """The gateway, the network behind it and the record of both.  Raises `RecordUnreadable`, `PeopleUnreadable`."""

    def __init__(self, settings: SimSettings, now: Callable[[], datetime], speed: float) -> None:
        self.settings = settings
        self.people = People.read(settings.people) if settings.people else People.nobody()
        self.record = Record()
        self.sessions: set[Session] = set()
        self._now = now
        folder = settings.state_dir
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self._spool = Spool(folder / "accepted.record") if folder else None
        self._acknowledged = Acknowledged(folder / "acknowledged.keys" if folder else None)
        self._agenda = Agenda()
        self._mood = Mood(settings)
        self.gateway = Gateway(self._mood, self.record, self._spool, self._appeal_time)
        self.deliveries = Deliveries(
            self._agenda,
            self._acknowledged,
            self._appeal_time,
            window=settings.deliver_window,
            timeout=settings.deliver_timeout,
        )
        self.network = Network(
            self._mood,
            Handsets(self.people, settings.handsets, settings.seed),
            self._agenda,
            self.deliveries,
            receipt_step=_RECEIPT_STEP * speed,
        )

    def session(self) -> Session:
        """For a new connection."""
        return Session(self._mood, self.gateway, self.deliveries, self.sessions)

    def misbehave(self, mischief: Mischief) -> None:
        """Behave worse from now on, or as set up again."""
        self._mood.change(mischief)
        self.network.report_unknown(mischief.unknown_receipts)

    def tick(self) -> None:
        """Let everything happen that is due by now."""
        accepted, self.gateway.accepted = self.gateway.accepted, []
        if accepted:
            self.network.report(accepted)
            self.network.deliver(self.record.fresh())
        self._agenda.run_due(self._appeal_time())
        self.deliveries.give_up_waiting()
        self.deliveries.pump()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(_TICK)

    def close(self) -> None:
        for session in list(self.sessions):
            session.hang_up()
        if self._spool:
            self._spool.close()
        self._acknowledged.close()

    def _appeal_time(self) -> float:
        return self._now().timestamp()
