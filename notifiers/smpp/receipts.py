"""Delivery receipts: a deliver_sm whose text, or whose optional parameters, say what became of a message."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from notifiers.ports import Receipt
from notifiers.smpp.codec import ShortMessage
from notifiers.smpp.dates import receipt_date
from notifiers.smpp.settings import IdForm, SMSSettings
from notifiers.smpp.words import ESM, Tag

# message_state, as the text of a receipt spells it.
STATES: Final = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
_SPELLINGS: Final = {"DELIVERED": "DELIVRD", "UNDELIVERABLE": "UNDELIV", "ACCEPTED": "ACCEPTD", "REJECTED": "REJECTD"}
# ACCEPTD means that somebody at the gateway read it for the member: that is not the end of it.
_NOT_FINAL: Final = frozenset({"ENROUTE", "ACCEPTD"})
_RECEIPTS: Final = frozenset({ESM.RECEIPT, ESM.INTERMEDIATE})
_FIELD: Final = re.compile(r"\b(id|submit date|done date|stat|err):\s*([^\s:]*)", re.IGNORECASE)
_BASES: Final = {"hex": 16, "decimal": 10}


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """The fields of the text form; vendors leave out what they like."""

    id: str
    submitted: datetime | None
    done: datetime | None
    stat: str
    err: str


def read_receipt_text(text: str, zone: timezone) -> ReceiptText:
    """The fields that are there.  What follows `text:` is the message's own words and is not looked at."""
    ours = re.split(r"\btext:", text, maxsplit=1, flags=re.IGNORECASE)[0]
    fields = {name.lower(): value for name, value in reversed(_FIELD.findall(ours))}
    return ReceiptText(
        id=fields.get("id", ""),
        submitted=receipt_date(fields.get("submit date", ""), zone),
        done=receipt_date(fields.get("done date", ""), zone),
        stat=fields.get("stat", "").upper(),
        err=fields.get("err", ""),
    )


def same_id(written: str, form: IdForm) -> str:
    """An id in the one form in which answers and receipts can be compared; what is no number stays as it is."""
    if form == "text":
        return written
    try:
        return format(int(written, _BASES[form]), "x")
    except ValueError:
        return written


def is_receipt(message: ShortMessage) -> bool:
    return message.esm_class & ESM.TYPE_MASK in _RECEIPTS


def read_receipt(message: ShortMessage, settings: SMSSettings) -> Receipt | None:
    """The receipt; none if it names no message or no state.  Optional parameters go before the text."""
    octets = message.octets or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
    text = read_receipt_text(octets.decode("latin-1"), timezone(timedelta(hours=settings.receipt_utc_offset)))
    named = _c_text(message.tlv(Tag.RECEIPTED_MESSAGE_ID))
    # The parameter repeats the id of the submit_sm_resp; the text has a form of its own.
    gateway_id = same_id(named, settings.response_ids) if named else same_id(text.id, settings.receipt_ids)
    state = STATES.get(message.number(Tag.MESSAGE_STATE) or 0) or _SPELLINGS.get(text.stat, text.stat)
    if not gateway_id or not state:
        return None
    reference = None if settings.reference_tag is None else message.tlv(settings.reference_tag)
    return Receipt(
        gateway_id=gateway_id,
        state=state,
        final=state not in _NOT_FINAL and message.esm_class & ESM.TYPE_MASK != ESM.INTERMEDIATE,
        error=text.err,
        address=message.source.digits.decode("latin-1"),
        reference=_c_text(reference),
        done_at=text.done,
    )


def is_receipt_body(body: bytes) -> bool:
    """The same of a body that has not been read; False for one that cannot be."""
    end = body.find(0, body.find(0, body.find(0) + 3) + 3)
    return 0 < end < len(body) - 1 and body[end + 1] & ESM.TYPE_MASK in _RECEIPTS


def _c_text(octets: bytes | None) -> str:
    return "" if octets is None else octets.partition(b"\0")[0].decode("latin-1")
