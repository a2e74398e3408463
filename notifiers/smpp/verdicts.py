"""What a gateway's answer to a submit_sm means for us, as a table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What is done next."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"  # the link pauses; tried again, no attempt counted
    TRANSIENT = "transient"  # tried again after a pause, a few times
    VENDOR = "vendor"  # codes that SMPP does not define: tried again once
    SESSION = "session"  # the link is not what we thought: it is bound anew, and the message tried again
    RECIPIENT = "recipient"  # refused for good because of the number
    SENDER = "sender"  # refused for good because of our sender address: somebody must look
    BUG = "bug"  # refused for good because of what we wrote: somebody must look


def _each(verdict: Verdict, *codes: int) -> dict[int, Verdict]:
    return dict.fromkeys(codes, verdict)


VERDICTS: Final[Mapping[int, Verdict]] = {
    0x00: Verdict.ACCEPTED,
    **_each(Verdict.THROTTLED, 0x58, 0x14),  # RTHROTTLED, RMSGQFUL
    # RSYSERR, RSUBMITFAIL, RX_T_APPN, RDELIVERYFAILURE, RUNKNOWNERR
    **_each(Verdict.TRANSIENT, 0x08, 0x45, 0x64, 0xFE, 0xFF),
    # RINVBNDSTS, RALYBND, RBINDFAIL, RINVPASWD, RINVSYSID, RINVSYSTYP
    **_each(Verdict.SESSION, 0x04, 0x05, 0x0D, 0x0E, 0x0F, 0x53),
    # RINVDSTADR, RINVDSTTON, RINVDSTNPI, RX_P_APPN, RX_R_APPN
    **_each(Verdict.RECIPIENT, 0x0B, 0x50, 0x51, 0x65, 0x66),
    # RINVSRCADR, RINVSRCTON, RINVSRCNPI, RINVSERTYP
    **_each(Verdict.SENDER, 0x0A, 0x48, 0x49, 0x15),
    # Lengths, command ids, flags, dates and parameters that are wrong ...
    **_each(Verdict.BUG, 0x01, 0x02, 0x03, 0x06, 0x07, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x54, 0x55, 0x61, 0x62),
    **_each(Verdict.BUG, 0x63, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4),
    # ... and answers to query, cancel and replace, which we never send.
    **_each(Verdict.BUG, 0x0C, 0x11, 0x13, 0x67),
}


def verdict_on(status: int, own: Mapping[int, Verdict]) -> Verdict:
    """`own` is what is known of this gateway in particular; it goes before the table."""
    return own.get(status) or VERDICTS.get(status, Verdict.VENDOR)
