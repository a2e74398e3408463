"""Marks in the history of the registry, for what is kept of it on disk."""

import sqlalchemy as sa
from alembic import op

from registry.columns import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_marks")),
    )
    op.create_index("ix_marks_revision", "marks", ["revision"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_marks_revision", table_name="marks")
    op.drop_table("marks")
