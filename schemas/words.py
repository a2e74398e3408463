"""The closed sets of words that several contracts share."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args


class ABO(StrEnum):
    A = "A"
    B = "B"
    AB = "AB"
    O = "O"  # noqa: E741 - the blood group is called O


class RhD(StrEnum):
    POSITIVE = "pos"
    NEGATIVE = "neg"
    WEAK = "weak"
    DEL = "del"


class Sex(StrEnum):
    MALE = "male"
    FEMALE = "female"


class Language(StrEnum):
    CHINESE = "zh"
    ENGLISH = "en"


# Add at the end only: the order is stored (`decisions.permissions`).
class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"
    HOTLINE = "hotline"
    WEB = "web"


class Name(NamedTuple):
    """What people call it."""

    english: str
    chinese: str


CHANNEL_NAMES: Final[Mapping[Channel, Name]] = MappingProxyType(
    {
        Channel.SMS: Name("SMS", "短信"),
        Channel.EMAIL: Name("e-mail", "邮件"),
        Channel.HOTLINE: Name("telephone", "电话"),
        Channel.WEB: Name("web page", "网页"),
    }
)
Written = Literal[Channel.SMS, Channel.EMAIL]  # the channels that carry messages to members and back
WRITTEN: Final = frozenset[Channel](get_args(Written))


class Purpose(StrEnum):
    """What a member may agree to be asked for; consent is per purpose and per channel (PIPL 6, 29)."""

    BLOOD = "blood"
    VOLUNTEER = "volunteer"
    BENEFITS = "benefits"


class BloodKnown(StrEnum):
    """Which members a wave asks: those whose ABO group the registry knows, those whose group it does not, or both."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    EITHER = "either"


class Policy(StrEnum):
    """What happens to a member of whom a crash left it uncertain whether the message went out."""

    RATHER_MISS = "rather-miss"
    RATHER_REPEAT = "rather-repeat"


class MessageKind(StrEnum):
    """Why a message leaves; the gateway sees it in the reference of every message."""

    MASS = "mass"
    ACKNOWLEDGEMENT = "ack"
    STAND_DOWN = "stand-down"
    NOTICE = "notice"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    WITHDRAWN = "withdrawn"  # said yes first and took it back
