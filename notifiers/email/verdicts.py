"""What a mail server's reply means for the letter, and what for all letters."""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum

ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
ABOUT_THE_MAILBOX = frozenset({"1", "2"})  # RFC 3463: addressing, mailbox
CLOSING = 421
MAILBOX_BUSY = 450
NO_SUCH_MAILBOX = frozenset({550, 551, 553})
GO_AHEAD = 354
TOO_BIG = 552
POSITIVE, TRANSIENT, PERMANENT = 2, 4, 5  # first digits, RFC 5321, 4.2.1


class Stage(StrEnum):
    """Which command was answered."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


class Fate(Enum):
    """What becomes of a letter after one attempt."""

    SENT = "sent"
    REFUSED = "refused"  # for good
    GONE = "gone"  # for good, since there is no such mailbox: the next letter would fare no better
    LATER = "later"  # this mailbox is busy: a limited number of tries
    STUCK = "stuck"  # refused for now, and it is open whether the letter is the reason or the server
    BUSY = "busy"  # the server is busy, or refuses *us*: everybody slows down, nobody is lost
    HELD = "held"  # `may_send` said no before the letter was written
    LOST = "lost"  # the connection broke before the letter was written
    UNCERTAIN = "uncertain"  # it broke afterwards


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of the server.  Its text may quote addresses: never log it."""

    code: int
    text: str

    @property
    def subject(self) -> str | None:
        """Second digit of the enhanced status code (RFC 3463), when the server gives one."""
        found = ENHANCED.match(self.text)
        return found[2] if found else None

    def accepts(self, stage: Stage) -> bool:
        """True when the command succeeded."""
        return self.code == GO_AHEAD if stage is Stage.DATA else self.code // 100 == POSITIVE


def judge(stage: Stage, reply: Reply) -> Fate:
    """The fate of the letter whose command got this reply.

    A refusal of the sender is about us and not about the member: a wrong password or a blocked account must not burn
    a whole wave as refused, so it counts as a busy server until somebody repairs it or the appeal ends.  A word that
    makes no sense after the letter itself leaves open whether it was taken.
    """
    if reply.accepts(stage):
        return Fate.SENT
    if stage is Stage.SENDER:
        return Fate.REFUSED if reply.code == TOO_BIG else Fate.BUSY
    match reply.code // 100:
        case digit if digit == PERMANENT:
            # 550 also means "we do not like you" (5.7.1), and after the letter itself "this looks like spam".
            gone = (
                stage is Stage.RECIPIENT
                and reply.code in NO_SUCH_MAILBOX
                and reply.subject in (None, *ABOUT_THE_MAILBOX)
            )
            return Fate.GONE if gone else Fate.REFUSED
        case digit if digit == TRANSIENT and reply.code != CLOSING:
            return Fate.LATER if stage is Stage.RECIPIENT and _about_the_mailbox(reply) else Fate.STUCK
        case _ if stage is Stage.CONTENT and reply.code != CLOSING:
            return Fate.UNCERTAIN
        case _:
            return Fate.BUSY


def _about_the_mailbox(reply: Reply) -> bool:
    return reply.subject in ABOUT_THE_MAILBOX if reply.subject else reply.code == MAILBOX_BUSY
