"""Receipts are stored as they came, and read by whoever joins them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("receipts", sa.Column("size", sa.Integer(), nullable=True))
    op.add_column("receipts", sa.Column("octets", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("receipts", "octets")
    op.drop_column("receipts", "size")
