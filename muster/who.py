"""Which member is meant: by id, by the number that calls, or by the card that the caller reads out."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from decisions.cards import card_of
from decisions.mobiles import mobile_of
from muster.doorstep import BAD_INPUT, fail
from registry import addresses
from registry.errors import NotFound, Refused
from schemas.words import Channel

Mobile = Annotated[str | None, typer.Option(help="Or the mobile number.")]
Card = Annotated[str | None, typer.Option(help="Or the number of the member card.")]
_MOST_NAMED = 10


def ensure_one_way(words: str, *given: object) -> None:
    """Leaves with exit code 2 unless exactly one way to say who is meant was used."""
    if sum(way is not None for way in given) != 1:
        fail(BAD_INPUT, f"{words}: give exactly one of them to say which member is meant")


def member_of(connection: Connection, *, member: int | None, mobile: str | None, card: str | None) -> int:
    """The member's id.  Raises `NotFound`, or `Refused` when several share the number; a slip leaves with exit code 2."""
    if member is not None:
        return member
    if mobile is not None:
        return _by_mobile(connection, mobile)
    if card_of(card or "") is None:
        fail(BAD_INPUT, "--card: is no card number: write its 4 to 32 digits and letters")
    found = addresses.by_card(connection, card or "")
    if not found:
        raise NotFound("no member has this card: ask for the number again, or use --mobile")
    return found[0]


def _by_mobile(connection: Connection, mobile: str) -> int:
    if mobile_of(mobile) is None:
        fail(BAD_INPUT, "--mobile: is no mobile number: write its 11 digits")
    found = addresses.owners(connection, Channel.SMS, mobile)
    if not found:
        raise NotFound("no member has this number: ask for the card number and use --card")
    if len(found) > 1:
        shown = ", ".join(map(str, found[:_MOST_NAMED])) + (" and more" if found[_MOST_NAMED:] else "")
        raise Refused(
            f"several members share this number (ids {shown}): ask who is calling and give the card or the id"
        )
    return found[0]
