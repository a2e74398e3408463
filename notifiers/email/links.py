"""Opt-out links: a token names a member and a list, tells nobody which, and cannot be made up (RFC 8058)."""

import hmac
import re
from base64 import b32decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from notifiers.email.keys import derived, small
from schemas.words import Purpose

SEAL_BYTES = 16
TOKEN = re.compile(r"[a-z2-7]{40}")  # 25 bytes: the seal and nine of content, no bit to spare
LARGEST_ID = 2**63 - 1

# These numbers lie in people's mailboxes for years: add new ones, never give one a second meaning.
LISTS: Mapping[Purpose | None, int] = {None: 0, Purpose.BLOOD: 1, Purpose.VOLUNTEER: 2, Purpose.BENEFITS: 3}
PURPOSES: Mapping[int, Purpose | None] = {number: purpose for purpose, number in LISTS.items()}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A member on a list; no purpose means every list."""

    member_id: int
    purpose: Purpose | None


class OptOutLinks:
    """Writes and reads tokens.  The same member and list always give the same token, so a link needs no storage.

    The seal is a MAC over the content and at the same time the nonce under which the content is hidden (the
    synthetic-IV construction): member ids are handed out in order, and in clear they would tell who joined when.
    """

    def __init__(self, secret: bytes) -> None:
        self._sealing = derived(secret, "opt-out seal")
        self._hiding = derived(secret, "opt-out cover")

    def token(self, subscription: Subscription) -> str:
        """Forty lower-case letters and digits."""
        if not 0 < subscription.member_id <= LARGEST_ID:
            raise ValueError("a member id is a positive 63-bit number")
        content = bytes([LISTS[subscription.purpose]]) + subscription.member_id.to_bytes(8, "big")
        seal = self._seal(content)
        return small(seal + self._cover(seal, content))

    def read(self, token: str) -> Subscription | None:
        """Whom the token names, or None when we never wrote it."""
        folded = token.lower()
        if not TOKEN.fullmatch(folded):
            return None
        raw = b32decode(folded.upper())
        seal, content = raw[:SEAL_BYTES], self._cover(raw[:SEAL_BYTES], raw[SEAL_BYTES:])
        if not hmac.compare_digest(seal, self._seal(content)) or content[0] not in PURPOSES:
            return None
        return Subscription(int.from_bytes(content[1:], "big"), PURPOSES[content[0]])

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._sealing, content, sha256)[:SEAL_BYTES]

    def _cover(self, seal: bytes, content: bytes) -> bytes:
        mask = hmac.digest(self._hiding, seal, sha256)
        return bytes(a ^ b for a, b in zip(content, mask, strict=False))
