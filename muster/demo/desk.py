"""How simulated seats and coordinators work: through the same doors as real ones."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, select

from agents import doors
from registry import addresses, appeals, replies
from registry.database import Database
from registry.errors import DatabaseUnreachable, NotFound, Refused
from registry.members import MEMBERS
from rehearsal.desk import DeskBusy, OpenYes
from schemas.spec import AppealSpec
from schemas.words import Answer, Channel


class RehearsalDesk:
    """The desk of one centre; every call is one transaction, as in `muster answer record` and `muster confirm`."""

    def __init__(
        self, database: Database, *, shards: int, now: Callable[[], datetime], new_id: Callable[[str], str]
    ) -> None:
        self._database = database
        self._shards = shards
        self._now = now
        self._new_id = new_id

    async def record_answer(self, mobile: str, *, said_yes: bool) -> None:
        """Write down what a caller said; who cannot be told apart is left to a person, as a real seat would."""
        try:
            await self._database.write(partial(self._record, mobile=mobile, said_yes=said_yes))
        except (NotFound, Refused):
            return
        except DatabaseUnreachable as exc:
            raise DeskBusy(str(exc)) from exc

    def _record(self, connection: Connection, *, mobile: str, said_yes: bool) -> None:
        owners = addresses.owners(connection, Channel.SMS, mobile)
        if len(owners) != 1:
            raise NotFound("the caller's number belongs to nobody, or to several")
        doors.record_answer(
            connection,
            member_id=owners[0],
            answer=Answer.YES if said_yes else Answer.NO,
            reply_id=self._new_id("c"),
            shards=self._shards,
            by="seat",
            now=self._now(),
        )

    async def open_yes(self) -> list[OpenYes]:
        """Everybody who said yes to an open appeal and waits for a call."""
        try:
            return await self._database.read(_open_yes)
        except DatabaseUnreachable as exc:
            raise DeskBusy(str(exc)) from exc

    async def confirm(self, appeal_id: str, member_id: int, *, matched: bool) -> None:
        try:
            await self._database.write(
                partial(
                    doors.confirm,
                    appeal_id=appeal_id,
                    member_id=member_id,
                    matched=matched,
                    by="coordinator",
                    event_id=self._new_id("screening"),
                    now=self._now(),
                )
            )
        except (NotFound, Refused):
            return
        except DatabaseUnreachable as exc:
            raise DeskBusy(str(exc)) from exc


def _open_yes(connection: Connection) -> list[OpenYes]:
    waiting = []
    for row in appeals.appeals(connection, open_only=True):
        spec = AppealSpec.model_validate_json(row.spec)
        for entry in replies.open_yes(connection, row.appeal_id):
            mobile = connection.execute(select(MEMBERS.c.mobile).where(MEMBERS.c.id == entry.member_id)).scalar()
            if mobile is not None and spec.blood is not None:
                waiting.append(
                    OpenYes(row.appeal_id, entry.member_id, mobile.removeprefix("+86"), spec.blood.abo.value)
                )
    return waiting
