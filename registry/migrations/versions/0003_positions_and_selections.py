"""A position in a batch takes two octets, and selections are stored as they are."""

import struct

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REPEATS = sa.table("repeats", sa.column("batch_id", sa.String), sa.column("positions", sa.LargeBinary))


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # To compress the ids of a shard took longer than to write them, and whoever looks for one unpacks them all.
        op.execute("ALTER TABLE selections ALTER COLUMN members SET STORAGE EXTERNAL")
    for batch_id, positions in connection.execute(sa.select(_REPEATS)).all():
        _put(connection, batch_id, struct.pack(f"<{len(positions)}H", *positions))


def downgrade() -> None:
    """Fails where somebody beyond the first 256 of a batch was asked again: one octet cannot name him."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("ALTER TABLE selections ALTER COLUMN members SET STORAGE EXTENDED")
    for batch_id, positions in connection.execute(sa.select(_REPEATS)).all():
        _put(connection, batch_id, bytes(struct.unpack(f"<{len(positions) // 2}H", positions)))


def _put(connection: sa.Connection, batch_id: str, positions: bytes) -> None:
    connection.execute(sa.update(_REPEATS).where(_REPEATS.c.batch_id == batch_id).values(positions=positions))
