"""An incoming message read: who wrote it, to which letter of ours, and what."""

import hashlib
import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parseaddr

from notifiers.email.answers import MOST_SIGNS, words_of
from notifiers.email.bounces import receipts, written_by_machine
from notifiers.email.keys import MessageKey, MessageKeys
from notifiers.ports import Receipt

MESSAGE_IDS = re.compile(r"<[^<>\s]{1,400}>")
ANSWERING = re.compile(r"^\s*(re|aw|sv|回复|答复|回覆|转发|fw|fwd)\s*[:：]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    """What there is to know of a message."""

    author: str
    words: str
    answers_to: MessageKey | None
    machine: bool
    receipts: tuple[Receipt, ...]
    fingerprint: str  # the same when the sender's server hands it over twice


def read_mail(raw: bytes, envelope_sender: str, returned_to: str | None, keys: MessageKeys) -> Mail:
    """Read it; whatever is broken in it reads as absent."""
    # The modern policy's header parser raises on some malformed headers; the old one hands them over as they are.
    message = BytesParser(policy=compat32).parsebytes(raw)
    subject = _plain(message, "Subject")
    author = _author(message, envelope_sender)
    message_id = str(message.get("Message-ID") or "")
    told_apart_by = f"{author}\n{message_id}".encode("utf-8", "replace") if message_id else raw
    return Mail(
        author=author,
        words=words_of(message) or _subject_as_words(subject),
        answers_to=_answers_to(message, keys),
        machine=written_by_machine(message, subject),
        receipts=tuple(receipts(message, returned_to, keys)),
        fingerprint=hashlib.sha256(told_apart_by).hexdigest()[:32],
    )


def _author(message: Message, envelope_sender: str) -> str:
    local, at, domain = (parseaddr(str(message.get("From", "")))[1] or envelope_sender).rpartition("@")
    return f"{local}@{domain.lower()}" if at else ""


def _answers_to(message: Message, keys: MessageKeys) -> MessageKey | None:
    """The latest of our letters in the thread."""
    named = MESSAGE_IDS.findall(str(message.get("In-Reply-To", "")))
    named += reversed(MESSAGE_IDS.findall(str(message.get("References", ""))))
    return next((key for key in map(keys.read, named) if key), None)


def _subject_as_words(subject: str) -> str:
    """A person who writes a new message may put all of it into the subject; "Re: ..." is ours, not theirs."""
    return "" if ANSWERING.match(subject) else " ".join(subject.split())[:MOST_SIGNS]


def _plain(message: Message, header: str) -> str:
    raw = message.get(header, "")
    try:
        return str(make_header(decode_header(raw)))
    except (ValueError, LookupError, UnicodeError):
        return str(raw)
