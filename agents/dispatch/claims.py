"""Opening a batch, and claiming a range of it.

Everything that must be true when the first byte leaves is read here, afresh, in the transaction that writes the claim.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress, groupby
from typing import Protocol

from sqlalchemy import Connection

from agents.dispatch.again import known_meanwhile
from agents.dispatch.batch import Batch
from agents.dispatch.records import Orphaned, Turned, all_alike, record_of
from registry import addresses as address_book
from registry import appeals, ledger, replies
from registry.addresses import Addresses
from registry.journal import Journals, Told
from registry.leases import Lease
from registry.ledger import Claim, Fate, Range, Record
from schemas.words import WRITTEN, Channel, Language, Purpose

# Of the states in a journal, which have the same numbers.
_WRITTEN_TO = frozenset({Fate.SENT, Fate.REFUSED, Fate.UNCERTAIN})
_UNREACHED = {address_book.NOBODY: Fate.NO_ADDRESS, address_book.OPTED_OUT: Fate.OPTED_OUT}


@dataclass(frozen=True, slots=True)
class Opening:
    """A batch of `size` members that somebody wants to send; `mine` are the claims that this worker still works on."""

    batch: Batch
    size: int
    lease: Lease
    mine: frozenset[str]


@dataclass(frozen=True, slots=True)
class Begun:
    """The batch has been begun before, by this worker or another; what is still to be claimed of it."""

    gaps: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Ask:
    """These positions of a batch, and who they are, are to be claimed under this lease.  With an opening: only if nobody
    has begun the batch, which is nearly always so and saves a transaction.
    """  # noqa: D205

    batch: Batch
    range: Range
    members: Sequence[int]
    lease: Lease
    token: str
    opening: Opening | None = None


@dataclass(slots=True)
class Group:
    """Members of a range who are told in one language: three columns, an entry a member.  Positions count from the
    range's first.
    """  # noqa: D205

    positions: Sequence[int]
    members: Sequence[int]
    addresses: Sequence[str]

    def only(self, kept: Sequence[bool]) -> "Group":
        """Those who are kept."""
        return Group(
            list(compress(self.positions, kept)),
            list(compress(self.members, kept)),
            list(compress(self.addresses, kept)),
        )


@dataclass(slots=True)
class Claimed:
    """A range whose claim has committed; `fates` and ids are filled in as they become known (0 = not yet)."""

    range: Range
    token: str
    groups: dict[Language, Group]
    fates: bytearray
    gateway_ids: list[str]


Opened = list[tuple[int, int]] | Turned
Answer = Claimed | Turned | Begun


def open_batches(
    connection: Connection,
    openings: Sequence[Opening],
    orphaned: Orphaned,
    held: Collection[Lease],
    journals: Journals,
) -> list[Opened]:
    """For each batch the positions that are still to be claimed.

    Of ranges that a dead owner claimed and never recorded, those whom it has written to are added to `orphaned`, to get
    their record in this transaction: what its journal tells of them, and without a journal that all are uncertain.
    """
    if not openings:
        return []
    standing = ledger.standing(connection, [opening.batch.id for opening in openings])
    opened: list[Opened] = []
    for opening in openings:
        if opening.lease not in held:
            opened.append(Turned.LEASE_LOST)
            continue
        found = standing.get(opening.batch.id, ledger.UNTOUCHED)
        orphans = [orphan for orphan in found.orphans if orphan.token not in opening.mine]
        records: list[Record] = []
        for orphan in orphans:
            told = journals.read(orphan.token, orphan.range.last - orphan.range.first)
            if told is None:
                records.append(all_alike(opening.batch, orphan.range, Fate.UNCERTAIN))
            else:
                left = _left_behind(opening.batch, orphan.range, told)
                spans = [(record.range.first, record.range.last) for record in left]
                ledger.narrow(connection, orphan, spans)
                found = found.narrowed(orphan, spans)
                records += left
        gaps = found.gaps(opening.size)
        # A second attempt may mean nobody any more; that is told too.
        orphaned.add(opening.batch, records, over=not gaps and bool(orphans or not opening.size))
        opened.append(gaps)
    return opened


def _left_behind(batch: Batch, span: Range, told: Told) -> list[Record]:
    """What became of those of this range who were written to, as far as the journal tells."""
    written = [state in _WRITTEN_TO for state in told.states]
    records, first = [], 0
    for touched, run in groupby(written):
        last = first + sum(1 for _ in run)
        if touched:
            part = Range(batch.id, span.first + first, span.first + last)
            records.append(record_of(batch, part, told.states[first:last], told.gateway_ids[first:last]))
        first = last
    return records


class AddressBook(Protocol):
    """Where messages to members go: the members themselves, or what a worker knows of them."""

    def addresses(
        self, connection: Connection, member_ids: Sequence[int], *, channel: Channel, purpose: Purpose
    ) -> Addresses:
        """See `registry.addresses.addresses`."""


def claim_ranges(
    connection: Connection,
    asks: Sequence[Ask],
    orphaned: Orphaned,
    held: Collection[Lease],
    journals: Journals,
    now: datetime,
    book: AddressBook,
) -> list[Answer]:
    """Claim these positions and read where their messages go; what `open_batches` says of `orphaned` holds here too.

    A claim that is there already under the same token is ours: its commit got no answer, and it is asked for again.
    """
    if not asks:
        return []
    opened = [ask.batch.id for ask in asks if ask.opening is not None]
    begun = ledger.standing(connection, opened) if opened else {}
    appeal_ids = {ask.batch.appeal_id for ask in asks if ask.batch.mass and ask.batch.appeal_id}
    still_open = {appeal_id for appeal_id in appeal_ids if appeals.status(connection, appeal_id) in appeals.OPEN}
    answers: list[Answer] = []
    good: list[tuple[Ask, Claimed]] = []
    for ask in asks:
        if ask.lease not in held:
            answers.append(Turned.LEASE_LOST)
        elif ask.opening and ask.batch.id in begun and not begun[ask.batch.id].only(ask.token):
            answers.append(_opened(open_batches(connection, [ask.opening], orphaned, held, journals)[0]))
        elif ask.batch.mass and ask.batch.appeal_id not in still_open:
            answers.append(Turned.CLOSED)
        else:
            size = ask.range.last - ask.range.first
            claimed = Claimed(ask.range, ask.token, {}, bytearray(size), [""] * size)
            answers.append(claimed)
            good.append((ask, claimed))
    taken = ledger.claim(connection, [_claim(ask) for ask, _ in good], now)
    good = [(ask, claimed) for ask, claimed in good if ask.token not in taken]
    _read_addresses(connection, good, book)
    for ask, claimed in good:
        if ask.batch.again:
            _spare(connection, ask, claimed)
    return [Turned.TAKEN if isinstance(answer, Claimed) and answer.token in taken else answer for answer in answers]


def _opened(gaps: Opened) -> Turned | Begun:
    return gaps if isinstance(gaps, Turned) else Begun(gaps)


def _claim(ask: Ask) -> Claim:
    batch, lease = ask.batch, ask.lease
    return Claim(ask.range, batch.appeal_id or "", batch.wave, lease.owner, lease.epoch, ask.token)


def _read_addresses(connection: Connection, good: Sequence[tuple[Ask, Claimed]], book: AddressBook) -> None:
    """One query for all ranges that ask for the same kind of address."""
    kinds: defaultdict[tuple[Channel, Purpose], list[tuple[Ask, Claimed]]] = defaultdict(list)
    answers: list[tuple[Ask, Claimed]] = []
    for ask, claimed in good:
        if ask.batch.reply_id is not None:
            answers.append((ask, claimed))
        else:
            assert ask.batch.purpose is not None, "only an answer to a reply has no purpose"
            kinds[ask.batch.draft.channel, ask.batch.purpose].append((ask, claimed))
    _read_replies(connection, answers)
    for (channel, purpose), asks in kinds.items():
        wanted = [member_id for ask, _ in asks for member_id in ask.members]
        found = book.addresses(connection, wanted, channel=channel, purpose=purpose)
        first = 0
        for ask, claimed in asks:
            last = first + len(ask.members)
            _address(connection, ask, claimed, found.part(first, last))
            first = last


def _address(connection: Connection, ask: Ask, claimed: Claimed, found: Addresses) -> None:
    """Sort the members by language; the fates of those who are not written to are known already."""
    everybody = Group(range(len(ask.members)), ask.members, found.addresses)
    codes = set(found.verdicts)
    told = [language for code, language in address_book.LANGUAGES.items() if code in codes]
    if len(codes) == len(told) == 1 and "1" not in found.shared:
        claimed.groups[told[0]] = everybody  # as it nearly always is
        return
    for code, fate in _UNREACHED.items():
        if code in codes:
            _mark(claimed.fates, [verdict == code for verdict in found.verdicts], fate)
    if "1" in found.shared:
        _ask_once(connection, ask, claimed, found)
    for code, language in address_book.LANGUAGES.items():
        if code in codes:
            chosen = [verdict == code and not fate for verdict, fate in zip(found.verdicts, claimed.fates, strict=True)]
            claimed.groups[language] = everybody.only(chosen)


def _ask_once(connection: Connection, ask: Ask, claimed: Claimed, found: Addresses) -> None:
    """Of members who share a number the first is asked, if no other range of this wave has asked it already."""
    fates = claimed.fates
    first: dict[str, int] = {}
    for position, shared in enumerate(found.shared):
        if shared == "1" and not fates[position]:
            member_id = ask.members[position]
            if first.setdefault(found.addresses[position], member_id) != member_id:
                fates[position] = Fate.SHARED
    if not (first and ask.batch.mass):
        return
    fresh = ledger.ask_shared(connection, ask.batch.appeal_id or "", ask.batch.wave, first)
    for position, shared in enumerate(found.shared):
        if shared == "1" and not fates[position] and found.addresses[position] not in fresh:
            fates[position] = Fate.SHARED


def _mark(fates: bytearray, chosen: Sequence[bool], fate: Fate) -> None:
    for position in compress(range(len(fates)), chosen):
        fates[position] = fate


def _spare(connection: Connection, ask: Ask, claimed: Claimed) -> None:
    """Of a second attempt, whoever is known by now to have the message is not asked."""
    people = {
        position: (member_id, address)
        for group in claimed.groups.values()
        for position, member_id, address in zip(group.positions, group.members, group.addresses, strict=True)
    }
    known = known_meanwhile(connection, ask.batch, ask.range, people)
    for position in known:
        claimed.fates[position] = Fate.SPARED
    left = {
        language: group.only([position not in known for position in group.positions])
        for language, group in claimed.groups.items()
    }
    claimed.groups = {language: group for language, group in left.items() if group.members}


def _read_replies(connection: Connection, answers: Sequence[tuple[Ask, Claimed]]) -> None:
    """Who wrote goes back to where it came from, in the language that its writer reads."""
    if not answers:
        return
    stored = replies.by_ids(connection, [ask.batch.reply_id for ask, _ in answers if ask.batch.reply_id])
    languages = address_book.languages_of(connection, [row.member_id for row in stored.values() if row.member_id])
    for ask, claimed in answers:
        reply, texts = stored.get(ask.batch.reply_id or ""), ask.batch.draft.texts
        if reply is None or reply.channel not in WRITTEN:
            claimed.fates[0] = Fate.NO_ADDRESS
            continue
        usual = Language.CHINESE if Language.CHINESE in texts else next(iter(texts))
        claimed.groups[languages.get(reply.member_id, usual)] = Group((0,), (reply.member_id or 0,), (reply.address,))
