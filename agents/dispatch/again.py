"""Second attempts: whom not to ask after all."""

from collections.abc import Mapping

from sqlalchemy import Connection

from agents.dispatch.batch import Batch
from decisions.batches import first_of
from registry import appeals, replies, uncertain
from registry.ledger import Range


def known_meanwhile(
    connection: Connection, batch: Batch, span: Range, people: Mapping[int, tuple[int, str]]
) -> set[int]:
    """Those positions of this range of a second attempt of whom it is known by now that the first one reached them.

    Their receipt or a late record came, they answered, or wrote something that nobody has read yet.  `people` are member
    and address by position in the range.
    """
    assert batch.appeal_id is not None
    meant = uncertain.repeat_positions(connection, batch.id)[span.first : span.last]
    found = uncertain.doubtful_batch(connection, first_of(batch.id))
    still = set(found.still()) if found else set()
    launched_at = appeals.appeal(connection, batch.appeal_id).launched_at
    heard = replies.heard_from(connection, batch.appeal_id, dict(people.values()), launched_at)
    return {position for position, (member, _) in people.items() if meant[position] not in still or member in heard}
