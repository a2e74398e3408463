"""Turns: transactions that must not run side by side, though the database would let them."""

from zlib import crc32

from sqlalchemy import Connection, text

# The first of the two numbers that name an advisory lock: these are turns, not other locks of ours.
_OURS = 1_297_437_780
_WAIT = text("select pg_advisory_xact_lock(cast(:ours as int), turn) from unnest(cast(:turns as int[])) as turn")


def take_turn(connection: Connection, *names: str) -> None:
    """Wait for our turn under these names and keep it until this transaction ends; SQLite's writers take turns anyway."""
    if names and connection.dialect.name == "postgresql":
        # In one order for everybody, or two transactions could wait for each other.
        turns = sorted({crc32(name.encode()) - (1 << 31) for name in names})
        connection.execute(_WAIT, {"ours": _OURS, "turns": turns})
