"""What the registry knows of one member, as a keeper reads it out to that member."""

from datetime import date, datetime

from rich.table import Table
from rich.text import Text

from decisions.districts import load_districts
from muster.doorstep import local
from registry.profile import Profile, Refusal
from schemas.words import CHANNEL_NAMES, Channel, Purpose

_LABELS = {
    "card_number": "card",
    "name": "name",
    "mobile": "mobile",
    "email": "e-mail",
    "preferred_channel": "prefers",
    "language": "language",
    "sex": "sex",
    "birth_date": "born",
    "district": "district",
    "union_name": "union",
    "abo": "blood group",
    "abo_source": "  known from",
    "rhd": "RhD",
    "rhd_source": "  known from",
    "blood_subtype": "subtype",
    "last_donation_on": "last donation",
    "last_donation_component": "  of",
    "deferred_until": "deferred until",
    "deferral_code": "  reason",
    "skills": "skills",
    "sms_failed_at": "SMS failed",
    "email_failed_at": "e-mail failed",
    "erased_at": "erased",
}


def known_table(known: Profile) -> Table:
    """A line for each thing that is known."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_row("member", str(known.member_id))
    for name, label in _LABELS.items():
        value = known.attributes.get(name)
        if value is not None:
            table.add_row(label, Text(_written(name, value)))
    if known.attributes.get("mobile_shared"):
        table.add_row("", "other members have this mobile, too")
    for subject, said in known.consents.items():
        words = ("yes" if said.given else "no", said.on or "day unknown", said.source or "source unknown")
        table.add_row(f"consent {subject}", Text(", ".join(words)))
    for refusal in known.opt_outs:
        table.add_row("opted out", Text(_refused(refusal)))
    return table


def scope_in_words(purpose: Purpose | None, channel: Channel | None) -> str:
    """What an opt-out covers."""
    return f"of {purpose or 'anything'} by {CHANNEL_NAMES[channel].english if channel else 'any channel'}"


def _refused(refusal: Refusal) -> str:
    since = f", since {local(refusal.at)}" if refusal.at else ", said for the number"
    return scope_in_words(refusal.purpose, refusal.channel) + since


def _written(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return local(value)
    if isinstance(value, date):
        return value.isoformat()
    if name == "district":
        district = load_districts().find(str(value))
        return f"{district.zh} ({value})" if district else str(value)
    return str(value)
