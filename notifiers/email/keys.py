"""Message ids and return addresses that bring an answer or a bounce back to its appeal, and cannot be made up.

Everything is lower-case letters, digits, dots and dashes, since some mail servers fold the case of what they return.
"""

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass
from hashlib import sha256

NONCE_BYTES = 8
MAC_BYTES = 8
REFERENCE = re.compile(r"[a-z0-9-]+/[a-z0-9-]+/[0-9]+")
MESSAGE_ID = re.compile(r"<?([a-z0-9-]+)\.([a-z0-9-]+)\.([0-9]+)\.([a-z2-7]{13})\.([a-z2-7]{13})@([a-z0-9.-]+)>?")
BOUNCE = re.compile(r"b-([a-z2-7]{13})-([a-z2-7]{13})")


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Which of our letters a message id names; `nonce` is the gateway id in the outcome of that letter."""

    kind: str
    appeal: str
    wave: int
    nonce: str

    @property
    def reference(self) -> str:
        return f"{self.kind}/{self.appeal}/{self.wave}"


def small(raw: bytes) -> str:
    """These bytes in lower-case base32, without padding."""
    return b32encode(raw).decode("ascii").rstrip("=").lower()


def derived(secret: bytes, use: str) -> bytes:
    """A key of its own for each use, so that a signature for one is worth nothing for another."""
    return hmac.digest(secret, f"muster e-mail: {use}".encode(), sha256)


class MessageKeys:
    """Writes and checks message ids and return addresses under one domain."""

    def __init__(self, secret: bytes, domain: str) -> None:
        self._id_key = derived(secret, "message id")
        self._bounce_key = derived(secret, "return address")
        self._domain = domain

    def message_id(self, reference: str, nonce: str) -> str:
        """The message id of a letter.  Raises ValueError when the reference is none."""
        if not REFERENCE.fullmatch(reference):
            raise ValueError("a reference reads kind/appeal/wave, in lower-case letters, digits and dashes")
        return f"<{reference.replace('/', '.')}.{nonce}.{_mac(self._id_key, f'{reference}/{nonce}')}@{self._domain}>"

    def read(self, message_id: str) -> MessageKey | None:
        """The letter that this id names, or None when we never wrote it."""
        found = MESSAGE_ID.fullmatch(message_id.strip().lower())
        if found is None:
            return None
        kind, appeal, wave, nonce, mac, domain = found.groups()
        genuine = hmac.compare_digest(mac, _mac(self._id_key, f"{kind}/{appeal}/{wave}/{nonce}"))
        return MessageKey(kind, appeal, int(wave), nonce) if genuine and domain == self._domain else None

    def return_address(self, nonce: str) -> str:
        """Where a bounce of this letter goes."""
        return f"b-{nonce}-{_mac(self._bounce_key, nonce)}@{self._domain}"

    def read_return(self, local_part: str) -> str | None:
        """The nonce of the letter that bounced to this address, or None when we never wrote it."""
        found = BOUNCE.fullmatch(local_part.lower())
        if found is None:
            return None
        nonce, mac = found.groups()
        return nonce if hmac.compare_digest(mac, _mac(self._bounce_key, nonce)) else None


def _mac(key: bytes, text: str) -> str:
    return small(hmac.digest(key, text.encode(), sha256)[:MAC_BYTES])
