"""What mail servers report about a letter (RFC 3464), and messages that no person wrote."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime

from notifiers.email.answers import body_of
from notifiers.email.keys import MessageKey, MessageKeys
from notifiers.ports import Receipt

# RFC 3464, 2.3.3, in the words of SMPP 3.4; True where nothing more will come.
STATES: Mapping[str, tuple[str, bool]] = {
    "failed": ("UNDELIV", True),
    "delayed": ("ENROUTE", False),
    "delivered": ("DELIVRD", True),
    "relayed": ("ACCEPTD", False),
    "expanded": ("ACCEPTD", False),
}
EXPIRED_STATUS = re.compile(r"[45]\.4\.7")
PERMANENT = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])")
BULK = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
AUTO_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Autoreply-From")
AUTO_SUBJECTS = ("自动回复", "自動回覆", "automatic reply:", "auto-reply:", "autoreply:", "out of office:")


def written_by_machine(message: Message, subject: str) -> bool:
    """True for holiday notices and the like: nobody answered."""
    submitted = str(message.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    return (
        submitted != "no"
        or precedence in BULK
        or any(header in message for header in AUTO_HEADERS)
        or subject.strip().lower().startswith(AUTO_SUBJECTS)
    )


def receipts(message: Message, returned_to: str | None, keys: MessageKeys) -> list[Receipt]:
    """What the report says of our letter.  Empty when it is no report, or about a letter that we never wrote.

    `returned_to` is the nonce in the address that it came to.  A report that proves neither by its address nor by the
    message id it returns that it knows a letter of ours is worth nothing: anybody can write one.
    """
    letter = _letter_returned(message, keys)
    nonce = returned_to or (letter.nonce if letter else None)
    if nonce is None:
        return []
    reference = letter.reference if letter and letter.nonce == nonce else ""
    if message.get_content_type() == "multipart/report":
        return [_receipt(fields, nonce, reference) for fields in _statuses(message)]
    # Some providers return a letter with a note in plain words, and only its status code can be relied on.
    found = None if answering_machine(message) else PERMANENT.search(body_of(message))
    return (
        [Receipt(nonce, "UNDELIV", final=True, error=found[0], address="", reference=reference, done_at=None)]
        if found
        else []
    )


def answering_machine(message: Message) -> bool:
    """True for an answering machine, which also writes to the return address."""
    return str(message.get("Auto-Submitted", "")).strip().lower().startswith("auto-replied")


def _receipt(fields: Message, nonce: str, reference: str) -> Receipt:
    action = str(fields.get("Action", "")).strip().lower()
    error = str(fields.get("Status", "")).split()[0:1]
    status = error[0] if error else ""
    state, final = STATES.get(action, ("UNKNOWN", False))
    if state == "UNDELIV" and EXPIRED_STATUS.fullmatch(status):
        state = "EXPIRED"
    address = str(fields.get("Original-Recipient") or fields.get("Final-Recipient") or "").rpartition(";")[2].strip()
    return Receipt(
        nonce, state, final=final, error=status, address=address, reference=reference, done_at=_moment(fields)
    )


def _statuses(message: Message) -> Iterator[Message]:
    """The groups of fields that each speak of one recipient."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            blocks = part.get_payload()
            yield from (block for block in blocks if isinstance(block, Message) and "Action" in block)


def _letter_returned(message: Message, keys: MessageKeys) -> MessageKey | None:
    """Our letter, by the message id in the headers that the report returns."""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "text/rfc822-headers":
            returned: Message = message_from_string(str(part.get_payload()))
        elif part is not message and "Message-ID" in part:
            returned = part
        else:
            continue
        if letter := keys.read(str(returned.get("Message-ID", ""))):
            return letter
    return None


def _moment(fields: Message) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(fields.get("Last-Attempt-Date", "")))
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
