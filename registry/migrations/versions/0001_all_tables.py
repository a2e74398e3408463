"""All tables."""

import sqlalchemy as sa
from alembic import op

from registry.columns import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("answered_at", Moment(), nullable=False),
        sa.Column("reply_id", sa.String(length=64), nullable=False),
        sa.Column("matched", sa.Boolean(), nullable=True),
        sa.Column("screened_by", sa.String(length=64), nullable=True),
        sa.Column("screened_at", Moment(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("appeal_id", "member_id", name=op.f("pk_answers")),
    )
    op.create_table(
        "appeals",
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("launched_at", Moment(), nullable=False),
        sa.Column("launched_by", sa.String(length=64), nullable=False),
        sa.Column("deadline", Moment(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("applied", sa.BigInteger(), server_default="-1", nullable=False),
        sa.Column("next_due", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("request_id", name=op.f("uq_appeals_request_id")),
    )
    op.create_index(op.f("ix_appeals_status"), "appeals", ["status"], unique=False)
    op.create_table(
        "board",
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_board")),
    )
    op.create_table(
        "board_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("happened_at", Moment(), nullable=False),
        sa.Column("what", sa.String(length=48), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_board_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_board_events_appeal_id_number"), "board_events", ["appeal_id", "number"], unique=False)
    op.create_table(
        "claims",
        sa.Column("batch_id", sa.String(length=120), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("claimed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "first", name=op.f("pk_claims")),
    )
    op.create_table(
        "deliveries",
        sa.Column("batch_id", sa.String(length=120), nullable=False),
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("states", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_appeal_id"), "deliveries", ["appeal_id"], unique=False)
    op.create_table(
        "erased_cards",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_erased_cards")),
    )
    op.create_table(
        "imports",
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the file"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False, comment="where the next record begins"),
        sa.Column("line", sa.Integer(), nullable=False, comment="the physical line of that record"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column(
            "rejects_size",
            sa.BigInteger(),
            nullable=False,
            comment="bytes of the rejects file that belong to these rows",
        ),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("digest", "size", name=op.f("pk_imports")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False, comment="decisions.shards.bucket_of(id)"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("card_number", sa.String(length=32), nullable=True, comment="the import's key; none once erased"),
        sa.Column("name", sa.String(length=64), nullable=True),
        sa.Column("mobile", sa.String(length=16), nullable=True, comment="E.164, +86 and 11 digits"),
        sa.Column(
            "mobile_shared",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="other members have this mobile",
        ),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("preferred_channel", sa.String(length=8), nullable=True),
        sa.Column("language", sa.String(length=8), server_default="zh", nullable=False),
        sa.Column("sex", sa.String(length=8), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("district", sa.String(length=6), nullable=True, comment="GB/T 2260"),
        sa.Column("union_name", sa.String(length=120), nullable=True),
        sa.Column("abo", sa.String(length=2), nullable=True),
        sa.Column("abo_source", sa.String(length=16), nullable=True),
        sa.Column("rhd", sa.String(length=4), nullable=True),
        sa.Column("rhd_source", sa.String(length=16), nullable=True),
        sa.Column(
            "blood_subtype", sa.String(length=8), nullable=True, comment="a known group that is no plain one: A2, Oh"
        ),
        sa.Column("last_donation_on", sa.Date(), nullable=True),
        sa.Column("last_donation_component", sa.String(length=16), nullable=True),
        sa.Column("deferred_until", sa.Date(), nullable=True),
        sa.Column("deferral_code", sa.String(length=16), nullable=True, comment="coarse: no medical reason is kept"),
        sa.Column("skills", sa.String(length=200), nullable=True, comment="sorted words joined by ;"),
        sa.Column(
            "consents",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="decisions.permissions.needed",
        ),
        sa.Column(
            "consent_record",
            sa.String(length=400),
            nullable=True,
            comment="decisions.consents.render: what was said, when, how",
        ),
        sa.Column(
            "opt_outs",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="decisions.permissions.blocking",
        ),
        sa.Column(
            "number_opt_outs",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of this mobile, by anybody",
        ),
        sa.Column("sms_failed_at", Moment(), nullable=True, comment="the gateway refused this mobile for good"),
        sa.Column("sms_failed_status", sa.Integer(), nullable=True),
        sa.Column("email_failed_at", Moment(), nullable=True, comment="the mail server refused this address for good"),
        sa.Column("email_failed_status", sa.Integer(), nullable=True),
        sa.Column("erased_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index(
        "ix_members_email",
        "members",
        ["email"],
        unique=False,
        sqlite_where=sa.text("email IS NOT NULL"),
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.create_index("ix_members_mobile", "members", ["mobile"], unique=False)
    op.create_index("ix_members_revision", "members", ["revision"], unique=False)
    op.create_index("uq_members_card_number", "members", ["card_number"], unique=True)
    op.create_table(
        "number_opt_outs",
        sa.Column("mobile", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False, comment="decisions.permissions.bit"),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("mobile", "scope", name=op.f("pk_number_opt_outs")),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=True),
        sa.Column("time", Moment(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "receipts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("receipts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipts")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "records",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(length=120), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("fates", sa.LargeBinary(), nullable=False),
        sa.Column("gateway_ids", sa.Text(), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_records")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_records_appeal_id"), "records", ["appeal_id"], unique=False)
    op.create_index(op.f("ix_records_batch_id_first"), "records", ["batch_id", "first"], unique=True)
    op.create_table(
        "replies",
        sa.Column("reply_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("sent_to", sa.String(length=32), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("appeal_id", sa.String(length=48), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("intent", sa.String(length=32), nullable=True),
        sa.Column("desk", sa.String(length=32), nullable=True),
        sa.Column("desk_done_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("reply_id", name=op.f("pk_replies")),
    )
    op.create_index(op.f("ix_replies_address_received_at"), "replies", ["address", "received_at"], unique=False)
    op.create_index(op.f("ix_replies_desk"), "replies", ["desk"], unique=False)
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("filed_at", Moment(), nullable=False),
        sa.Column("filed_by", sa.String(length=64), nullable=False),
        sa.Column("judged_at", Moment(), nullable=True),
        sa.Column("judged_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_requests")),
    )
    op.create_table(
        "revisions",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_revisions")),
    )
    op.create_table(
        "seen",
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("reader", "event_id", name=op.f("pk_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "selections",
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("appeal_id", "wave", "shard", name=op.f("pk_selections")),
    )
    op.create_table(
        "shared_numbers_asked",
        sa.Column("appeal_id", sa.String(length=48), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("appeal_id", "wave", "address", name=op.f("pk_shared_numbers_asked")),
    )
    op.create_table(
        "opt_outs",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=True, comment="none: any"),
        sa.Column("channel", sa.String(length=16), nullable=True, comment="none: any"),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_opt_outs_member_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_opt_outs")),
    )
    op.create_index(op.f("ix_opt_outs_member_id"), "opt_outs", ["member_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_opt_outs_member_id"), table_name="opt_outs")
    op.drop_table("opt_outs")
    op.drop_table("shared_numbers_asked")
    op.drop_table("selections")
    op.drop_table("seen")
    op.drop_table("revisions")
    op.drop_table("requests")
    op.drop_index(op.f("ix_replies_desk"), table_name="replies")
    op.drop_index(op.f("ix_replies_address_received_at"), table_name="replies")
    op.drop_table("replies")
    op.drop_index(op.f("ix_records_batch_id_first"), table_name="records")
    op.drop_index(op.f("ix_records_appeal_id"), table_name="records")
    op.drop_table("records")
    op.drop_table("receipts")
    op.drop_table("outbox")
    op.drop_table("number_opt_outs")
    op.drop_index("uq_members_card_number", table_name="members")
    op.drop_index("ix_members_revision", table_name="members")
    op.drop_index("ix_members_mobile", table_name="members")
    op.drop_index(
        "ix_members_email",
        table_name="members",
        sqlite_where=sa.text("email IS NOT NULL"),
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.drop_table("members")
    op.drop_table("leases")
    op.drop_table("imports")
    op.drop_table("erased_cards")
    op.drop_index(op.f("ix_deliveries_appeal_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("claims")
    op.drop_index(op.f("ix_board_events_appeal_id_number"), table_name="board_events")
    op.drop_table("board_events")
    op.drop_table("board")
    op.drop_index(op.f("ix_appeals_status"), table_name="appeals")
    op.drop_table("appeals")
    op.drop_table("answers")
