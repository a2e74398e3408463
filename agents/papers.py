"""What the replies of one transaction have in common: looked up together, and written together at the end.

On a database server every question is a journey, and while mass messages leave, a journey takes milliseconds: asked for
each reply by itself, the last of fifty waits for all of them.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row

from agents.asked import appeals_that_asked
from decisions.appeals.state import Status
from registry import appeals, outbox, replies
from registry.errors import NotFound
from registry.replies import Answered, Received, Understood
from schemas.outgoing import Outgoing
from schemas.spec import AppealSpec
from schemas.words import Answer


@dataclass(frozen=True, slots=True)
class Candidate:
    """An appeal that a reply may mean."""

    appeal_id: str
    slot: int
    open: bool
    filled: bool
    spec: AppealSpec


class Papers:
    """For the time of one transaction, on replies that are stored already, and on new ones that `write` stores."""

    def __init__(
        self, connection: Connection, shards: int, *, stored: Sequence[str] = (), new: Sequence[Received] = ()
    ) -> None:
        self.connection = connection
        self._shards = shards
        self._new = {reply.reply_id: reply for reply in new}
        self._wrote = {reply.reply_id: (reply.address, reply.words) for reply in new}
        if stored:
            known = replies.by_ids(connection, stored)
            self._wrote |= {reply_id: (row.address, row.words) for reply_id, row in known.items()}
        self._named: dict[str, Candidate] = {}
        self._in_slot: dict[int, list[Candidate]] = {}
        self._latest: dict[tuple[str, int], str] = {}
        self._told: list[Outgoing] = []
        self._answered: list[Answered] = []
        self._understood: list[Understood] = []

    # --- looked up --------------------------------------------------------------------------------------------------

    def wrote(self, reply_id: str) -> tuple[str, str]:
        """The address that a reply came from, and its words; empty when there is no such reply."""
        return self._wrote.get(reply_id, ("", ""))

    def named(self, appeal_id: str) -> list[Candidate]:
        """The appeal of this id; none when a restored registry has never heard of it."""
        if appeal_id in self._named:
            return [self._named[appeal_id]]
        with suppress(NotFound):
            return [self._candidate(appeals.appeal(self.connection, appeal_id))]
        return []

    def in_slot(self, slot: int) -> list[Candidate]:
        """The latest appeal that used this slot, if any has."""
        if slot not in self._in_slot:
            row = appeals.latest_in_slot(self.connection, slot)
            self._in_slot[slot] = [] if row is None else [self._candidate(row)]
        return self._in_slot[slot]

    def asked(self, member_id: int) -> list[Candidate]:
        """The open appeals that asked this member, in the order of their launch."""
        rows = appeals_that_asked(self.connection, self._open, member_id, self._shards)
        return [self._candidate(row) for row in reversed(rows)]

    def look_for_answers(self, asked: Sequence[tuple[str, int]]) -> None:
        """What these (appeal, member) have answered so far is known from here on."""
        if asked:
            appeal_ids = sorted({appeal_id for appeal_id, _ in asked})
            member_ids = sorted({member_id for _, member_id in asked})
            self._latest |= replies.answers_of(self.connection, appeal_ids, member_ids)

    def open_yes(self, meant: Sequence[Candidate], member_id: int) -> bool:
        return any(self._latest.get((appeal.appeal_id, member_id)) == Answer.YES for appeal in meant)

    @cached_property
    def _open(self) -> Sequence[Row[tuple[Any, ...]]]:
        return appeals.appeals(self.connection, open_only=True)

    def _candidate(self, row: Row[tuple[Any, ...]]) -> Candidate:
        if row.appeal_id not in self._named:
            spec = AppealSpec.model_validate_json(row.spec)
            self._named[row.appeal_id] = Candidate(
                row.appeal_id, row.slot, row.status in appeals.OPEN, row.status == Status.FILLED, spec
            )
        return self._named[row.appeal_id]

    # --- written at the end -----------------------------------------------------------------------------------------

    def answer(self, answered: Answered) -> None:
        self._latest[answered.appeal_id, answered.member_id] = answered.answer
        self._answered.append(answered)

    def tell(self, *messages: Outgoing) -> None:
        self._told += messages

    def understand(self, understood: Understood) -> None:
        self._understood.append(understood)

    def write(self) -> None:
        # In one order for everybody, or two transactions could wait for each other; a member's own order stays.
        replies.put_answers(self.connection, sorted(self._answered, key=lambda item: (item.appeal_id, item.member_id)))
        replies.store(
            self.connection, [_as_read(self._new[of.reply_id], of) for of in self._understood if self._is_new(of)]
        )
        replies.understood(self.connection, [of for of in self._understood if not self._is_new(of)])
        outbox.put(self.connection, self._told)

    def _is_new(self, read: Understood) -> bool:
        return read.reply_id in self._new


def _as_read(reply: Received, read: Understood) -> Received:
    return replace(reply, intent=read.intent, appeal_id=read.appeal_id, desk=read.desk)
