"""Whom a text message may reach right now, answered from the columns of the audience.

The database is asked one number for each range that is sent: up to where members have changed.  Who has changed since
is read again, and everybody else is looked up in memory, at a sixth of what reading them costs.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from decisions.permissions import blocking, needed
from decisions.shards import shards_of
from registry import addresses as address_book
from registry import revisions
from registry.addresses import LANGUAGES, NOBODY, OPTED_OUT, Addresses
from registry.audience.columns import FIRST_MOBILE, LANGUAGE_CODES, REACH_BITS, Ints
from registry.audience.index import AudienceIndex, catch_up_all
from registry.database import Database
from schemas.words import Channel, Purpose

_FIELDS: Final = ("mobile", "reach", "language", "shared", "consents", "opt_outs", "number_opt_outs")
_KINDS: Final = {language: kind for kind, language in LANGUAGES.items()}
# The verdict on somebody who may be written to, by the code of the language; without one it is the first.
_WELCOME: Final = np.full(max(LANGUAGE_CODES.values()) + 1, ord(next(iter(LANGUAGES))), np.uint8)
for _language, _code in LANGUAGE_CODES.items():
    _WELCOME[_code] = ord(_KINDS[_language])


class Contacts:
    """Knows the members of all shards.  Any thread may ask."""

    def __init__(self, database: Database, indexes: Mapping[int, AudienceIndex], shards: int) -> None:
        self._database = database
        self._indexes = indexes
        self._shards = shards

    def addresses(
        self, connection: Connection, member_ids: Sequence[int], *, channel: Channel, purpose: Purpose
    ) -> Addresses:
        """As `registry.addresses.addresses`, with every change that was committed before this call."""
        if channel is Channel.EMAIL or not member_ids:  # mailboxes lie in no column
            return address_book.addresses(connection, member_ids, channel=channel, purpose=purpose)
        ids: Ints = np.array(member_ids, np.int64)
        verdicts, shared = np.empty(len(ids), np.uint8), np.empty(len(ids), np.uint8)
        mobiles: Ints = np.empty(len(ids), np.int64)
        shard_of_each = shards_of(ids, self._shards)
        wanted = np.unique(shard_of_each).tolist()
        self._catch_up(connection, [self._indexes[shard] for shard in wanted])
        forbidden, asked = blocking(purpose, channel), needed(purpose, channel)
        for shard in wanted:
            here = np.flatnonzero(shard_of_each == shard) if len(wanted) > 1 else slice(None)
            found, living = self._indexes[shard].look_up(ids[here], _FIELDS)
            refused = ((found["opt_outs"] | found["number_opt_outs"]) & forbidden) != 0
            agreed = (found["consents"] & asked) == asked
            reached = agreed & (found["reach"] & REACH_BITS[Channel.SMS] != 0)
            verdict = np.where(reached, _WELCOME[found["language"]], ord(NOBODY))
            verdict[refused] = ord(OPTED_OUT)
            verdict[~living] = ord(NOBODY)
            verdicts[here] = verdict
            shared[here] = np.where(living & (found["shared"] != 0), ord("1"), ord("0"))
            mobiles[here] = np.where(living, found["mobile"], 0)
        return Addresses(verdicts.tobytes().decode(), shared.tobytes().decode(), _written(mobiles))

    def _catch_up(self, connection: Connection, indexes: Sequence[AudienceIndex]) -> None:
        # On SQLite functions share a transaction: by `connection` they would see what may still come to nothing.
        latest = self._database.peek(revisions.LATEST)
        if latest is None:
            latest = revisions.latest(connection)
        if all(index.revision == latest for index in indexes):
            return
        with self._database.snapshot() as committed:
            catch_up_all(committed, indexes)


def _written(mobiles: NDArray[np.int64]) -> list[str]:
    """As they are dialled; an empty text for whoever has none."""
    together = "+86%d\n" * len(mobiles) % tuple((mobiles + FIRST_MOBILE).tolist())
    written = together[:-1].split("\n")
    for place in np.flatnonzero(mobiles == 0).tolist():
        written[place] = ""
    return written
