"""What members agree to, said at a door; `registry.importing` reads it from files, the rules are `decisions.consents`."""

from datetime import date

from sqlalchemy import Connection, select, update

from decisions.consents import Statement, mask_of, merged, parse, render
from registry import revisions
from registry.errors import NotFound
from registry.members import MEMBERS
from schemas.audience import MemberChanged
from schemas.words import Channel, Purpose


def record_consent(
    connection: Connection, member_id: int, subject: Channel | Purpose, *, given: bool, on: date, source: str
) -> list[MemberChanged]:
    """A member says yes or no to a channel or a purpose.  Raises `NotFound`; an older statement changes nothing."""
    record = MEMBERS.c.consent_record
    row = connection.execute(
        select(record).where(MEMBERS.c.id == member_id, MEMBERS.c.erased_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no member {member_id}")
    day = on.isoformat()
    holds = merged(parse(row.consent_record), {str(subject): Statement(day, source, given)}, today=day)
    line = render(holds)
    if line == row.consent_record:
        return []
    revision = revisions.take(connection).revision
    connection.execute(
        update(MEMBERS)
        .where(MEMBERS.c.id == member_id)
        .values(consent_record=line, consents=mask_of(holds), revision=revision)
    )
    return [MemberChanged(member_id=member_id, revision=revision)]
