"""The members: one row each, wide and compact, with all that a selection or a message needs.

What was said when and how (consents, opt-outs) has its own tables, beside the bit masks here that are read millions
at a time (`decisions.permissions` says what the bits mean).  `id` never changes and is never given twice; `revision`
grows with every change, see `registry.revisions`.
"""

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, SmallInteger, String, Table, text

from registry.columns import Moment
from registry.metadata import METADATA

MEMBERS = Table(
    "members",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, nullable=False, comment="decisions.shards.bucket_of(id)"),
    Column("revision", BigInteger, nullable=False),
    Column("card_number", String(32), comment="the import's key; none once erased"),
    Column("name", String(64)),
    Column("mobile", String(16), comment="E.164, +86 and 11 digits"),
    Column(
        "mobile_shared", Boolean, nullable=False, server_default=text("false"), comment="other members have this mobile"
    ),
    Column("email", String(254)),
    Column("preferred_channel", String(8)),
    Column("language", String(8), nullable=False, server_default="zh"),
    Column("sex", String(8)),
    Column("birth_date", Date),
    Column("district", String(6), comment="GB/T 2260"),
    Column("union_name", String(120)),
    Column("abo", String(2)),
    Column("abo_source", String(16)),
    Column("rhd", String(4)),
    Column("rhd_source", String(16)),
    Column("blood_subtype", String(8), comment="a known group that is no plain one: A2, Oh"),
    Column("last_donation_on", Date),
    Column("last_donation_component", String(16)),
    Column("deferred_until", Date),
    Column("deferral_code", String(16), comment="coarse: no medical reason is kept"),
    Column("skills", String(200), comment="sorted words joined by ;"),
    Column("consents", BigInteger, nullable=False, server_default=text("0"), comment="decisions.permissions.needed"),
    Column("consent_record", String(400), comment="decisions.consents.render: what was said, when, how"),
    Column("opt_outs", BigInteger, nullable=False, server_default=text("0"), comment="decisions.permissions.blocking"),
    Column(
        "number_opt_outs", BigInteger, nullable=False, server_default=text("0"), comment="of this mobile, by anybody"
    ),
    Column("sms_failed_at", Moment, comment="the gateway refused this mobile for good"),
    Column("sms_failed_status", Integer),
    Column("email_failed_at", Moment, comment="the mail server refused this address for good"),
    Column("email_failed_status", Integer),
    Column("erased_at", Moment),
)

Index("uq_members_card_number", MEMBERS.c.card_number, unique=True)
Index("ix_members_mobile", MEMBERS.c.mobile)
Index("ix_members_revision", MEMBERS.c.revision)
_HAS_EMAIL = MEMBERS.c.email.is_not(None)
Index("ix_members_email", MEMBERS.c.email, sqlite_where=_HAS_EMAIL, postgresql_where=_HAS_EMAIL)
