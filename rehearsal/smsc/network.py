"""What lies behind the gateway: handsets that get the messages, receipts, replies and calls to the hotline."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Floats, Numbers, draw_key, lognormals, uniform
from rehearsal.handsets import Handsets, Means, Reaction
from rehearsal.smsc import wire
from rehearsal.smsc.agenda import Agenda
from rehearsal.smsc.deliver import Notice, Split, member_message, receipt
from rehearsal.smsc.deliveries import Deliveries, Delivery
from rehearsal.smsc.gateway import Accepted
from rehearsal.smsc.mood import Mood
from rehearsal.smsc.record import Fresh
from rehearsal.smsc.submission import Letter

_MEMBER_KEYS = 1 << 63  # receipts use the message id, which never grows that large
_PUSHED_AGAIN_AFTER = 60.0  # seconds of appeal time
_SECOND_TIME = 1 << 62  # in the key of a receipt that comes twice
_UNKNOWN_IDS = 1 << 46  # beyond all that are given to messages


@dataclass(frozen=True, slots=True)
class Call:
    """A person who is on the phone and what the person says."""

    id: int
    number: int
    says: str
    at: float


class Network:
    """Turns accepted messages into what comes back.  Nothing here knows an appeal."""

    def __init__(
        self,
        mood: Mood,
        handsets: Handsets,
        agenda: Agenda,
        deliveries: Deliveries,
        *,
        receipt_step: float,
    ) -> None:
        self.calls: list[Call] = []
        self.replies = 0
        self.receipts = 0
        self._mood = mood
        self._settings = mood.settings
        self._handsets = handsets
        self._agenda = agenda
        self._deliveries = deliveries
        self._step = receipt_step
        self._parts = 0
        self._unknown = 0
        self._listeners: set[asyncio.Event] = set()

    def deliver(self, fresh: Sequence[Fresh]) -> None:
        """Hand whole messages to the handsets and note what their people will do."""
        for group in fresh:
            saying = group.saying
            reached = ~self._lost(saying.reference, group.numbers) & (group.appeal <= saying.valid_until)
            for reaction in self._handsets.hear(
                saying.text, saying.sender, group.numbers[reached], group.appeal[reached]
            ):
                self._agenda.note(reaction.due, partial(self._act, reaction))

    def report(self, accepted: Sequence[Accepted]) -> None:
        """Note the receipts that were asked for."""
        wanted: dict[Letter, list[tuple[int, int, float]]] = defaultdict(list)
        for batch in accepted:
            for place, (number, letter) in enumerate(zip(batch.numbers, batch.letters, strict=True)):
                if letter.receipt:
                    wanted[letter].append((batch.first_id + place, number, batch.appeal))
        for letter, rows in wanted.items():
            ids, numbers, appeal = zip(*rows, strict=True)
            self._note_receipts(
                letter, np.array(ids, dtype=np.uint64), np.array(numbers, dtype=np.uint64), np.array(appeal)
            )

    def say(self, source: str, target: str, text: str, *, split: Split = Split.UDH8, key: int | None = None) -> None:
        """A message from a member's phone, now."""
        self._parts += 1
        bodies = member_message(source, target, text, split=split, reference=self._parts)
        first = draw_key(self._settings.seed, "said", str(self._parts)) if key is None else key
        for place, body in enumerate(bodies):
            self._deliveries.offer(Delivery((first + place) | _MEMBER_KEYS, body, urgent=True))
        self.replies += 1

    def report_unknown(self, count: int) -> None:
        """Receipts, now, for so many messages that nobody ever sent."""
        now = time.time()
        for _ in range(count):
            self._unknown += 1
            sender = f"{self._settings.access_number or '1069'}01"
            message = _UNKNOWN_IDS + self._unknown
            number = 17900000000 + self._unknown
            self._send_receipt(Notice(message, number, sender, "", wire.STATE_DELIVERED, now, now), message)

    async def wait_for_call(self, after: int, *, ceiling: float) -> None:
        """Return once there is a call with an id above `after`, at the latest after `ceiling` seconds."""
        if len(self.calls) > after or ceiling <= 0:
            return
        called = asyncio.Event()
        self._listeners.add(called)
        try:
            async with asyncio.timeout(ceiling):
                await called.wait()
        except TimeoutError:
            pass
        finally:
            self._listeners.discard(called)

    def _note_receipts(self, letter: Letter, ids: Numbers, numbers: Numbers, appeal: Floats) -> None:
        settings = self._mood.settings
        state = np.full(len(ids), wire.STATE_DELIVERED)
        state[self._lost(letter.reference, numbers)] = wire.STATE_UNDELIVERABLE
        state[appeal > letter.valid_until] = wire.STATE_EXPIRED
        delay = lognormals(
            settings.receipt_median_seconds, settings.receipt_sigma, draw_key(settings.seed, "receipt delay"), ids
        )
        due = appeal if settings.receipts_early else appeal + delay
        comes = uniform(draw_key(settings.seed, "receipt comes"), ids) < settings.receipts
        if letter.receipt == wire.RECEIPT_ON_FAILURE:
            comes &= state != wire.STATE_DELIVERED
        steps = np.ceil(due / self._step).astype(np.int64)
        order = np.argsort(steps, kind="stable")
        order = order[comes[order]]
        cuts = np.nonzero(np.diff(steps[order]))[0] + 1
        for rows in np.split(order, cuts):
            if len(rows):
                columns = (ids[rows], numbers[rows], state[rows], appeal[rows])
                moment = float(steps[rows[0]] * self._step)
                self._agenda.note(moment, partial(self._send_receipts, letter, columns, moment))

    def _send_receipts(
        self, letter: Letter, columns: tuple[Numbers, Numbers, NDArray[np.int_], Floats], done: float
    ) -> None:
        for message, number, state, submitted in zip(*(column.tolist() for column in columns), strict=True):
            self._send_receipt(
                Notice(message, number, letter.sender, letter.reference, state, submitted, done),
                *((message, message | _SECOND_TIME) if self._mood.settings.receipts_twice else (message,)),
            )

    def _send_receipt(self, notice: Notice, *keys: int) -> None:
        settings = self._settings
        body = receipt(
            notice,
            reference_tag=settings.reference_tag,
            with_tlvs=settings.receipt_tlvs,
            decimal_id=settings.decimal_ids,
        )
        for key in keys:
            self._deliveries.offer(Delivery(key, body, urgent=False))
            self.receipts += 1

    def _act(self, reaction: Reaction) -> None:
        if reaction.means is Means.CALL:
            self.calls.append(Call(len(self.calls) + 1, reaction.number, reaction.words, reaction.due))
            for waiting in self._listeners:
                waiting.set()
            return
        words = (str(reaction.number), reaction.sender, reaction.words, str(reaction.due))
        for repetition in range(1 + reaction.again):
            key = draw_key(self._settings.seed, "reply", *words, str(repetition))
            act: Callable[[], None] = partial(self.say, str(reaction.number), reaction.sender, reaction.words, key=key)
            if repetition:
                self._agenda.note(reaction.due + _PUSHED_AGAIN_AFTER, act)
            else:
                act()

    def _lost(self, reference: str, numbers: Numbers) -> NDArray[np.bool_]:
        # The same draw for receipt and handset, so that a member who answers was also reached.
        return uniform(draw_key(self._settings.seed, "undelivered", reference), numbers) < self._settings.undelivered
