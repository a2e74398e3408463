"""The SMS channel, both directions: `ports.Notifier` over SMPP 3.4, and what members and the gateway say back."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from decisions.mobiles import is_made_up
from decisions.segments import TextTooLong
from notifiers.ports import (
    Letter,
    OnIncoming,
    OnReceipts,
    Outcome,
    Outcomes,
    Placed,
    Progress,
    Silent,
    State,
    nobody,
)
from notifiers.smpp.bucket import TokenBucket
from notifiers.smpp.inbound import Inbound
from notifiers.smpp.link import Link, Role, Surroundings, open_session, unbind
from notifiers.smpp.metrics import Barred, SMSMetrics
from notifiers.smpp.receipts import same_id
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.shipment import Permission, Shipment
from notifiers.smpp.template import Composer
from notifiers.smpp.timing import Timing
from notifiers.smpp.traffic import Traffic
from notifiers.smpp.window import Window

__all__ = ["STATUSES", "SMSMetrics", "SMSNotifier", "SMSSettings"]

LOG = structlog.get_logger("muster.sms")
_LONGEST_NUMBER: Final = 20
# Statuses of messages that we refused ourselves: beyond all that SMPP and its vendors may use (0x000-0x4FF).
STATUSES: Final = {
    Barred.NOT_A_NUMBER: 0x10001,
    Barred.MADE_UP: 0x10002,
    Barred.NOT_MADE_UP: 0x10003,
    Barred.TOO_LONG: 0x10004,
}


def _lines_of(number: str) -> re.Pattern[str]:
    return re.compile(rf"\+86{number}(?:\n\+86{number})*", re.ASCII)


# Addresses, a line each, that a gateway gets, by (may it see made-up numbers, may it see no others).
_MOBILES: Final = {
    (False, False): _lines_of(r"1(?!79)\d{10}"),
    (True, False): _lines_of(r"1\d{10}"),
    (True, True): _lines_of(r"179\d{8}"),
    (False, True): re.compile(r"(?!)"),
}
_BARRED: Final = {reason: Outcome(State.REFUSED, status=status) for reason, status in STATUSES.items()}


class SMSNotifier:
    """One gateway account.  A context manager: links are kept bound from its beginning to its end."""

    def __init__(
        self,
        settings: SMSSettings,
        metrics: SMSMetrics,
        *,
        on_incoming: OnIncoming,
        on_receipts: OnReceipts,
        timing: Timing | None = None,
    ) -> None:
        timing = timing or Timing()
        self._settings = settings
        self._metrics = metrics
        self._composer = Composer(settings)
        self._window = Window(
            settings.window, rate=settings.rate, on_limit=metrics.window.set, elsewhere=lambda: self._traffic.kept
        )
        bucket = TokenBucket(settings.rate, timing.clock)
        self._traffic = Traffic(settings, window=self._window, bucket=bucket, metrics=metrics, timing=timing)
        self._inbound = Inbound(
            settings,
            on_incoming=on_incoming,
            on_receipts=on_receipts,
            metrics=metrics,
            timing=timing,
        )
        self._around = Surroundings(
            settings, self._traffic, self._inbound.receive, metrics, timing, self._inbound.receive_receipts
        )
        self._links = self._make_links()
        self._runs: list[asyncio.Task[None]] = []
        # Handsets tell long messages of one sender apart by this number, so neighbours must differ.
        self._concatenation = int(timing.chance() * 0x10000)

    @property
    def window(self) -> Window:
        return self._window

    @property
    def keeps_progress(self) -> bool:
        return True

    async def __aenter__(self) -> Self:
        self._runs = [asyncio.create_task(link.run(), name="sms link") for link in self._links]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hold what is unwritten, wait (bounded) for answers and commits under way, unbind."""
        self._traffic.close()
        try:
            async with asyncio.timeout(self._settings.close_seconds):
                await self._traffic.all_answered()
                await asyncio.gather(*(link.quiet() for link in self._links))
                await self._inbound.close()
        except TimeoutError:
            LOG.warning("the channel closes with messages unanswered", parts=self._traffic.unanswered)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links))

    async def send(
        self,
        letter: Letter,
        addresses: Sequence[str],
        may_send: Callable[[], bool],
        *,
        urgent: bool = False,
        members: Sequence[int] = (),
        silent: Silent = nobody,
        progress: Progress | None = None,
    ) -> Outcomes:
        """See `ports.Notifier`.  Raises ValueError for a letter that no gateway takes: a bug of the caller's."""
        numbers, barred = self._numbers(addresses)
        to = members
        if barred:
            places = [place for place in range(len(addresses)) if place not in barred]
            to = [members[place] for place in places if members]
            progress = progress and Placed(progress, places)
        sent = await self._ship(letter, numbers, Permission(may_send, silent, to), progress, urgent=urgent)
        outcomes = _with_barred(sent, barred, len(addresses)) if barred else sent
        for state, count in Counter(outcomes.states).items():
            self._metrics.settled(State(state), count)
        return outcomes

    async def check(self) -> None:
        """Bind once, and unbind.  Raises OSError when the gateway can't be reached, `BindRefused` when it says no."""
        role = Role.TRANSCEIVER if self._settings.bind_mode == "transceiver" else Role.TRANSMITTER
        await unbind(await open_session(self._around, role), self._settings.close_seconds)

    async def _ship(
        self,
        letter: Letter,
        numbers: Sequence[bytes],
        permission: Permission,
        progress: Progress | None,
        *,
        urgent: bool,
    ) -> Outcomes:
        self._concatenation += 1
        try:
            template = self._composer.compose(letter, concatenation=self._concatenation, urgent=urgent)
        except TextTooLong:
            LOG.error("a letter has more parts than a text message can have")  # noqa: TRY400 - no text in logs
            self._metrics.barred(Barred.TOO_LONG)
            return Outcomes.of([_BARRED[Barred.TOO_LONG]] * len(numbers))
        shipment = Shipment(template, numbers, permission, urgent=urgent, spell=self._spell, progress=progress)
        self._traffic.ship(shipment)
        await shipment.settled
        return shipment.outcomes()

    def _number(self, address: str) -> bytes | Barred:
        """The digits that the gateway wants, or why it gets none."""
        made_up = is_made_up(address)
        if made_up and not self._settings.simulator:
            return Barred.MADE_UP
        if self._settings.drill_only and not made_up:
            return Barred.NOT_MADE_UP
        digits = address.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER):
            return Barred.NOT_A_NUMBER
        if self._settings.national_numbers:
            digits = digits.removeprefix("86")
        return digits.encode()

    def _numbers(self, addresses: Sequence[str]) -> tuple[list[bytes], dict[int, Outcome]]:
        """The digits that the gateway wants, and by its place what became of each address that it does not get."""
        settings = self._settings
        together = "\n".join(addresses)
        # Nearly always all of them are mobiles that may be written to: one look instead of one each.
        if _MOBILES[settings.simulator, settings.drill_only].fullmatch(together):
            digits = together.replace("+86" if settings.national_numbers else "+", "")
            return digits.encode().split(b"\n"), {}
        numbers: list[bytes] = []
        barred: dict[int, Outcome] = {}
        for place, address in enumerate(addresses):
            number = self._number(address)
            if isinstance(number, Barred):
                self._metrics.barred(number)
                barred[place] = _BARRED[number]
            else:
                numbers.append(number)
        return numbers, barred

    def _spell(self, bodies: bytes, count: int) -> list[str]:
        """The ids in so many answers to submit_sm of one length, whose bodies follow each other here."""
        ids = bodies.decode("latin-1").split("\0")
        if len(ids) != count + 1 or ids[-1]:  # not each of them one id and its null
            size = len(bodies) // count
            found = [bodies[place * size : (place + 1) * size] for place in range(count)]
            ids = [body.partition(b"\0")[0].decode("latin-1") for body in found]
        form = self._settings.response_ids
        return ids[:count] if form == "text" else [same_id(each, form) for each in ids[:count]]

    def _make_links(self) -> list[Link]:
        settings = self._settings
        separate = settings.bind_mode == "separate"
        role = Role.TRANSMITTER if separate else Role.TRANSCEIVER
        links = [
            Link(self._around, number, role, urgent_only=settings.urgent_bind and number == settings.binds)
            for number in range(1, settings.binds + 1)
        ]
        return [*links, Link(self._around, 0, Role.RECEIVER)] if separate else links


def _with_barred(sent: Outcomes, barred: Mapping[int, Outcome], size: int) -> Outcomes:
    """The outcomes of all addresses, in order."""
    others = iter(sent)
    return Outcomes.of([barred.get(place) or next(others) for place in range(size)])
