"""What lies behind the gateway: handsets that get the messages, receipts, replies and calls to the hotline."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Floats, Numbers, draw_key, lognormals, uniform
from rehearsal.handsets import Handsets, Means, Reaction
from rehearsal.smsc import wire
from rehearsal.smsc.agenda import Agenda
from rehearsal.smsc.deliver import Notice, ReceiptForm, Split, member_message, receipts
from rehearsal.smsc.deliveries import Bundle, Deliveries
from rehearsal.smsc.gateway import Accepted
from rehearsal.smsc.mood import Mood
from rehearsal.smsc.record import Fresh
from rehearsal.smsc.runs import Rows, repeated
from rehearsal.smsc.submission import Letter

Columns = tuple[Numbers, Numbers, NDArray[np.int_], Floats]  # message id, number, state, moment of its acceptance

_POWERS = np.array([10**power for power in range(20)], dtype=np.uint64)
_MEMBER_KEYS = 1 << 63  # receipts use the message id, which never grows that large
_PUSHED_AGAIN_AFTER = 60.0  # seconds of appeal time
_SECOND_TIME = np.uint64(1 << 62)  # in the key of a receipt that comes twice
_UNKNOWN_IDS = np.uint64(1 << 46)  # beyond all that are given to messages
_UNKNOWN_NUMBERS = np.uint64(17_900_000_000)


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
        self._form = ReceiptForm(self._settings.reference_tag, self._settings.receipt_tlvs, self._settings.decimal_ids)
        self._due: dict[tuple[Letter, int], list[Columns]] = {}
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
        wanted: dict[Letter, list[tuple[Numbers, Numbers, float]]] = defaultdict(list)
        for batch in accepted:
            numbers = np.array(batch.numbers, dtype=np.uint64)
            ids = np.arange(batch.first_id, batch.first_id + len(numbers), dtype=np.uint64)
            for letter, places in _by_letter(batch.letters):
                if letter.receipt:
                    wanted[letter].append((ids[places], numbers[places], batch.appeal))
        for letter, pieces in wanted.items():
            ids = np.concatenate([piece[0] for piece in pieces])
            numbers = np.concatenate([piece[1] for piece in pieces])
            appeal = np.repeat([piece[2] for piece in pieces], [len(piece[0]) for piece in pieces])
            self._note_receipts(letter, ids, numbers, appeal)

    def say(self, source: str, target: str, text: str, *, split: Split = Split.UDH8, key: int | None = None) -> None:
        """A message from a member's phone, now."""
        self._parts += 1
        bodies = member_message(source, target, text, split=split, reference=self._parts)
        first = draw_key(self._settings.seed, "said", str(self._parts)) if key is None else key
        for place, body in enumerate(bodies):
            pdu = wire.pdu(wire.DELIVER_SM, wire.ROK, 0, body)
            keys = np.array([(first + place) | _MEMBER_KEYS], dtype=np.uint64)
            self._deliveries.offer(Bundle(keys, repeated(pdu, 1), urgent=True))
        self.replies += 1

    def report_unknown(self, count: int) -> None:
        """Receipts, now, for so many messages that nobody ever sent."""
        if not count:
            return
        now = time.time()
        sender = f"{self._settings.access_number or '1069'}01"
        places = np.arange(self._unknown + 1, self._unknown + count + 1, dtype=np.uint64)
        self._unknown += count
        ids, numbers = places + _UNKNOWN_IDS, places + _UNKNOWN_NUMBERS
        notice = Notice(int(ids[0]), int(numbers[0]), sender, "", wire.STATE_DELIVERED, now, now)
        self._offer_receipts(ids, receipts(notice, ids, numbers, self._form))

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
                self._note_step(letter, int(steps[rows[0]]), (ids[rows], numbers[rows], state[rows], appeal[rows]))

    def _note_step(self, letter: Letter, step: int, columns: Columns) -> None:
        pieces = self._due.get((letter, step))
        if pieces is None:
            pieces = self._due[letter, step] = []
            self._agenda.note(step * self._step, partial(self._send_receipts, letter, step))
        pieces.append(columns)

    def _send_receipts(self, letter: Letter, step: int) -> None:
        due = self._due.pop((letter, step))
        ids, numbers, state, submitted = (np.concatenate(column) for column in zip(*due, strict=True))
        # Receipts that differ in id and number alone are written together.
        digits = np.searchsorted(_POWERS, numbers, side="right")
        alike = (submitted // 60).astype(np.int64) << 16 | state << 8 | digits
        for kind in np.unique(alike).tolist():
            rows = alike == kind
            its_ids, its_numbers = ids[rows], numbers[rows]
            notice = Notice(
                message=int(its_ids[0]),
                number=int(its_numbers[0]),
                sender=letter.sender,
                reference=letter.reference,
                state=int(state[rows][0]),
                submitted=float(submitted[rows][0]),
                done=step * self._step,
            )
            pdus = receipts(notice, its_ids, its_numbers, self._form)
            self._offer_receipts(its_ids, pdus)
            if self._mood.settings.receipts_twice:
                self._offer_receipts(its_ids | _SECOND_TIME, pdus)

    def _offer_receipts(self, keys: Numbers, pdus: Rows) -> None:
        self._deliveries.offer(Bundle(keys, pdus, urgent=False))
        self.receipts += len(keys)

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


def _by_letter(letters: Sequence[Letter]) -> Iterator[tuple[Letter, slice | list[int]]]:
    """Each letter with the places at which it stands."""
    # The usual case: a batch that says one thing.
    if letters.count(letters[0]) == len(letters):
        yield letters[0], slice(None)
        return
    places: dict[Letter, list[int]] = defaultdict(list)
    for place, letter in enumerate(letters):
        places[letter].append(place)
    yield from places.items()
