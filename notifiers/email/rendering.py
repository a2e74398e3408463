"""A letter as bytes: rendered once, with the few lines spliced in that differ from one address to the next."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from notifiers.email.keys import MessageKeys
from notifiers.email.links import OptOutLinks, Subscription
from notifiers.email.settings import EmailSettings
from notifiers.ports import Letter
from schemas.words import Purpose

# Seven bits only: a relay that must convert eight would change what its signature (DKIM) covers.
PLAIN = SMTP.clone(cte_type="7bit")
LONGEST_SUBJECT = 60
LONGEST_ADDRESS = 254
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def deliverable(address: str) -> str | None:
    """The address as it goes over the wire, or None when no SMTP server without SMTPUTF8 could take it."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or not domain:
        return None
    try:
        wired = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return None
    plain = all("!" <= sign <= "~" and sign not in '<>(),;:"[]@\\' for sign in local)
    return wired if plain and HOST.fullmatch(wired.rpartition("@")[2]) and len(wired) <= LONGEST_ADDRESS else None


def subject_of(letter: Letter) -> str:
    """The letter's own subject, else its first line, cut to what a phone shows."""
    first = letter.subject or next((line for line in letter.text.splitlines() if line.strip()), "")
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in first).split())
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The part of a letter that is the same for everybody, dots doubled and the final dot included."""

    reference: str
    purpose: Purpose | None
    common: bytes


class Renderer:
    """Turns letters into bytes."""

    def __init__(self, settings: EmailSettings, keys: MessageKeys, links: OptOutLinks) -> None:
        self._settings = settings
        self._keys = keys
        self._links = links

    def render(self, letter: Letter, now: datetime) -> Rendered:
        """What does not depend on the address."""
        message = EmailMessage(policy=PLAIN)
        message["From"] = Address(self._settings.sender_name, addr_spec=self._settings.sender)
        if self._settings.inbound_domain:
            message["Reply-To"] = f"reply+{letter.slot:02d}@{self._settings.inbound_domain}"
        message["Subject"] = subject_of(letter)
        message["Date"] = format_datetime(now)
        message["Expires"] = format_datetime(letter.not_after)
        # RFC 3834: keeps holiday notices from answering us.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Muster-Reference"] = letter.reference
        message.set_content(letter.text)
        body = message.as_bytes().replace(b"\r\n.", b"\r\n..")
        return Rendered(letter.reference, letter.purpose, body.removesuffix(b"\r\n") + b"\r\n.\r\n")

    def content(self, rendered: Rendered, address: str, member_id: int, nonce: str) -> bytes:
        """The letter to one address, as it follows the DATA command; member 0 is nobody, who can leave no list."""
        head = f"To: {address}\r\nMessage-ID: {self._keys.message_id(rendered.reference, nonce)}\r\n"
        if member_id:
            head += self._opt_out(Subscription(member_id, rendered.purpose))
        return head.encode("ascii") + rendered.common

    def envelope(self, address: str, nonce: str) -> tuple[bytes, bytes]:
        """The MAIL and the RCPT command: a bounce comes back to an address that names the letter."""
        sender = self._keys.return_address(nonce) if self._settings.inbound_domain else self._settings.sender
        return f"MAIL FROM:<{sender}>\r\n".encode("ascii"), f"RCPT TO:<{address}>\r\n".encode("ascii")

    def _opt_out(self, subscription: Subscription) -> str:
        token = self._links.token(subscription)
        ways = []
        if self._settings.public_url:
            ways.append(f"<{self._settings.public_url}/u/{token}>")
        if self._settings.inbound_domain:
            ways.append(f"<mailto:stop+{token}@{self._settings.inbound_domain}>")
        if not ways:
            return ""
        header = "List-Unsubscribe: " + ",\r\n ".join(ways) + "\r\n"
        # Without an https link the second header would promise what no one can keep.
        return header + ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if self._settings.public_url else "")
