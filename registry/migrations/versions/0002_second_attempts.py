"""Second attempts, and an index of who is uncertain."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repeats",
        sa.Column("batch_id", sa.String(length=120), nullable=False),
        sa.Column("positions", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_repeats")),
    )
    op.create_index(
        "ix_records_uncertain",
        "records",
        ["appeal_id", "wave"],
        unique=False,
        sqlite_where=sa.text("instr(fates, x'03') > 0"),
        postgresql_where=sa.text("position('\\x03'::bytea in fates) > 0"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_records_uncertain",
        table_name="records",
        sqlite_where=sa.text("instr(fates, x'03') > 0"),
        postgresql_where=sa.text("position('\\x03'::bytea in fates) > 0"),
    )
    op.drop_table("repeats")
