"""What the gateway brings: read it, have it committed, and only then say that it arrived."""

import asyncio
from collections.abc import Awaitable, Sequence

import structlog

from notifiers.ports import Bodies, Incoming, OnIncoming, OnReceipts
from notifiers.smpp.codec import ShortMessage
from notifiers.smpp.incoming import PartOf, Words, decode_words, member_address, slot_of, words_of
from notifiers.smpp.metrics import Brought, SMSMetrics
from notifiers.smpp.reassembly import Collection, Reassembly
from notifiers.smpp.receipts import is_receipt
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.timing import Timing
from notifiers.smpp.words import Status

LOG = structlog.get_logger("muster.sms")
HOLD_SECONDS = 1.0


class Inbound:
    """Answers each deliver_sm with a status: ROK once the handler has committed, else "push it again"."""

    def __init__(
        self,
        settings: SMSSettings,
        *,
        on_incoming: OnIncoming,
        on_receipts: OnReceipts,
        metrics: SMSMetrics,
        timing: Timing,
    ) -> None:
        self._settings = settings
        self._on_incoming = on_incoming
        self._on_receipts = on_receipts
        self._metrics = metrics
        self._timing = timing
        self._reassembly = Reassembly(settings.part_seconds, self._overdue, timing)
        self._saving: set[asyncio.Task[object]] = set()

    async def receive(self, message: ShortMessage) -> Status:
        """Never raises but for cancellation."""
        if is_receipt(message):
            return await self.receive_receipts([Bodies.of(message.encode())])
        words = words_of(message)
        if words.part is not None:
            return await self._part(message, words, words.part)
        self._metrics.brought(Brought.MESSAGE)
        return await self._commit(
            self._on_incoming(self._incoming(message, self._decode(words.octets, words.data_coding)))
        )

    async def close(self) -> None:
        """What came in parts and is incomplete is handed over as it is; waits until that is committed."""
        self._reassembly.give_up()
        while self._saving:
            await asyncio.wait(self._saving)

    async def receive_receipts(self, bodies: Sequence[Bodies]) -> Status:
        """Like `receive`, for receipts that came together: they are committed together or pushed again together."""
        self._metrics.brought(Brought.RECEIPT, sum(some.count for some in bodies))
        return await self._commit(self._on_receipts(bodies))

    async def _part(self, message: ShortMessage, words: Words, part: PartOf) -> Status:
        """Parts are answered together, once the whole is committed.

        A gateway that pushes the next part only after the answer to this one must get it before: then the part is in
        memory alone until the others are there, and after a crash the rest arrives as an incomplete message.
        """
        self._metrics.brought(Brought.PART)
        source = message.source.digits.decode("latin-1")
        collection = self._reassembly.add(source, message.destination.digits.decode("latin-1"), words, part)
        if collection.stored:
            return Status.ROK
        if not collection.complete:
            committed = collection.committed
            await asyncio.wait([committed], timeout=HOLD_SECONDS)
            if not committed.done():
                collection.acknowledged.add(part.number)
            elif not committed.result():
                return Status.RX_T_APPN
            return Status.ROK
        status = await self._commit(self._on_incoming(self._incoming(message, collection.text(self._decode))))
        collection.settle(stored=status is Status.ROK)
        return status

    def _overdue(self, collection: Collection) -> None:
        """The other parts never came: a person shall see what there is."""
        self._metrics.brought(Brought.INCOMPLETE)
        incoming = Incoming(
            address=member_address(collection.source),
            text=collection.text(self._decode),
            slot=slot_of(collection.destination, self._settings),
        )
        task = asyncio.create_task(self._save_incomplete(incoming), name="sms incomplete message")
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _save_incomplete(self, incoming: Incoming) -> None:
        # The gateway was told long ago that these parts arrived, so only we can try again.
        for pause in (0.5, 2.0, 8.0, None):
            if await self._commit(self._on_incoming(incoming)) is Status.ROK:
                return
            if pause is not None:
                await self._timing.sleep(pause)
        LOG.error("an incomplete message could not be stored and is lost")

    async def _commit(self, handler: Awaitable[None]) -> Status:
        try:
            async with asyncio.timeout(self._settings.commit_seconds):
                await handler
        except Exception as exc:  # noqa: BLE001 - whatever went wrong, the gateway keeps it and pushes again
            self._metrics.brought(Brought.NOT_COMMITTED)
            # The class alone: the text of a foreign exception may quote the message.
            LOG.warning("what the gateway brought was not stored", reason=type(exc).__name__)
            return Status.RX_T_APPN
        return Status.ROK

    def _incoming(self, message: ShortMessage, text: str) -> Incoming:
        return Incoming(
            address=member_address(message.source.digits.decode("latin-1")),
            text=text,
            slot=slot_of(message.destination.digits.decode("latin-1"), self._settings),
        )

    def _decode(self, octets: bytes, data_coding: int) -> str:
        return decode_words(octets, data_coding, self._settings)
