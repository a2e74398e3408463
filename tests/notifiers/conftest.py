"""A scripted gateway, and the channel bound to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from notifiers.ports import Bodies, Incoming, Letter, OnReceipts, Receipt
from notifiers.smpp.receipt_tables import ReceiptReader
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.timing import Timing
from notifiers.sms import SMSMetrics, SMSNotifier
from tests.notifiers.smsc import SMSC, running_smsc

QUICK = {
    "simulator": True,
    "reconnect_seconds": 0.01,
    "longest_reconnect_seconds": 0.05,
    "pause_seconds": 0.01,
    "longest_pause_seconds": 0.05,
    "retry_seconds": 0.01,
    "response_seconds": 5.0,
    "close_seconds": 0.5,
}
LETTER = Letter(
    text="【总工会】急需O型血小板，能献请回复1。拒收请回复R",
    reference="mass/a-0001/1",
    slot=7,
    not_after=datetime(2026, 11, 24, 10, 30, tzinfo=UTC),
)


def number(at: int) -> str:
    """A made-up mobile."""
    return f"+86179{at:08d}"


def numbers(count: int) -> list[str]:
    return [number(at) for at in range(count)]


def yes() -> bool:
    return True


class Desk:
    """Takes what the gateway brings; `broken` makes it fail, `open` lets it finish."""

    def __init__(self) -> None:
        self.incoming: list[Incoming] = []
        self.receipts: list[Receipt] = []
        self.broken = False
        self.began = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def on_incoming(self, incoming: Incoming) -> None:
        await self._commit()
        self.incoming.append(incoming)

    def on_receipts(self, settings: SMSSettings) -> OnReceipts:
        """Reads them as whoever joins them would, with the settings of their gateway."""
        reader = ReceiptReader(settings)

        async def on_receipts(bodies: Sequence[Bodies]) -> None:
            await self._commit()
            self.receipts += [
                group.said._replace(gateway_id=gateway_id, address=address)
                for group in reader.read(bodies)
                for gateway_id, address in zip(group.gateway_ids, group.addresses, strict=True)
            ]

        return on_receipts

    async def _commit(self) -> None:
        self.began.set()
        await self.open.wait()
        if self.broken:
            raise RuntimeError("the database is away")


@pytest.fixture
async def smsc() -> AsyncIterator[SMSC]:
    async with running_smsc() as gateway:
        yield gateway


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def channel(smsc: SMSC, desk: Desk, registry: CollectorRegistry) -> AsyncIterator[Callable[..., object]]:
    """Open the channel with settings of the test's; it closes with the test."""
    async with AsyncExitStack() as stack:

        async def open_channel(**settings: object) -> SMSNotifier:
            account = SMSSettings(**{**QUICK, "port": smsc.port, **settings})
            notifier = SMSNotifier(
                account,
                SMSMetrics(registry),
                on_incoming=desk.on_incoming,
                on_receipts=desk.on_receipts(account),
                timing=Timing(chance=lambda: 0.5),
            )
            return await stack.enter_async_context(notifier)

        yield open_channel


@pytest.fixture
def metric(registry: CollectorRegistry) -> Callable[..., float]:
    """The value of one of our metrics."""

    def value(name: str, **labels: str) -> float:
        found = registry.get_sample_value(f"muster_sms_{name}", labels)
        assert found is not None, f"there is no muster_sms_{name} {labels}"
        return found

    return value
