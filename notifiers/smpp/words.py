"""The numbers of SMPP 3.4 that Muster uses (SMPP Developers Forum, issue 1.2)."""

from enum import IntEnum
from typing import Final

RESPONSE: Final = 0x80000000
VERSION: Final = 0x34
LARGEST_SEQUENCE: Final = 0x7FFFFFFF


class Command(IntEnum):
    """command_id."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102
    GENERIC_NACK = 0x80000000
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    ENQUIRE_LINK_RESP = 0x80000015


class Status(IntEnum):
    """command_status, those that the code names; `verdicts` has the whole table."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVDSTADR = 0x0B
    RTHROTTLED = 0x58
    RX_T_APPN = 0x64
    RINVOPTPARSTREAM = 0xC0


class Tag(IntEnum):
    """Optional parameters."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class ESM(IntEnum):
    """Bits of esm_class."""

    TYPE_MASK = 0x3C
    RECEIPT = 0x04
    INTERMEDIATE = 0x20
    UDH = 0x40
