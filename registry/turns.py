"""Turns: transactions that must not run side by side, though the database would let them."""

from zlib import crc32

from sqlalchemy import Connection, text

_OURS = (
    1_297_437_780  # the first of the two numbers that name an advisory lock: these are turns, not other locks of ours
)


def take_turn(connection: Connection, name: str) -> None:
    """Wait for our turn under this name and keep it until this transaction ends; SQLite's writers take turns anyway."""
    if connection.dialect.name == "postgresql":
        number = crc32(name.encode()) - (1 << 31)
        connection.execute(
            text("select pg_advisory_xact_lock(cast(:ours as int), cast(:number as int))"),
            {"ours": _OURS, "number": number},
        )
