"""`muster answer record` and `muster confirm`: what hotline seats and coordinators write down."""

from typing import Annotated

import typer

from agents import doors
from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, Door, fail, open_door, tell
from registry import addresses
from registry.errors import NotFound, Refused
from schemas.words import Answer, Channel

answer_app = typer.Typer(no_args_is_help=True, help="Write down what a caller said.")


@answer_app.command("record")
def record(
    said: Annotated[Answer, typer.Argument(help="What the caller said.")],
    member: Annotated[int | None, typer.Option(help="The member's id.")] = None,
    mobile: Annotated[str | None, typer.Option(help="Or the number that called.")] = None,
    card: Annotated[str | None, typer.Option(help="Or the card number.")] = None,
    appeal: Annotated[str | None, typer.Option(help="Needed only when several open appeals asked this member.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Record a caller's answer, as a hotline seat.

    For example: muster answer record yes --mobile 17900000000
    """
    if sum(given is not None for given in (member, mobile, card)) != 1:
        fail(BAD_INPUT, "--member, --mobile or --card: give exactly one of them to say who is calling")
    with open_door() as door:
        with door.database.transaction() as connection:
            member_id = member if member is not None else _caller(door, mobile=mobile, card=card)
            appeal_id = doors.record_answer(
                connection,
                member_id=member_id,
                answer=said,
                reply_id=door.new_id("c"),
                shards=door.settings.shards,
                by=door.staff,
                now=door.now(),
                appeal_id=appeal,
            )
        door.pass_on()
        facts: dict[str, object] = {"appeal_id": appeal_id, "member_id": member_id, "answer": said.value}
        tell(facts, f"Member {member_id} said {said.value} to appeal {appeal_id}.", as_json=as_json)


def _caller(door: Door, *, mobile: str | None, card: str | None) -> int:
    with door.database.snapshot() as connection:
        if mobile is not None:
            found = addresses.owners(connection, Channel.SMS, mobile)
        else:
            found = addresses.by_card(connection, card or "")
    if not found:
        raise NotFound("no member has this number: ask for the card number and use --card")
    if len(found) > 1:
        shown = ", ".join(str(member) for member in found)
        raise Refused(f"several members share this number (ids {shown}): ask who is calling and use --member")
    return found[0]


def confirm(
    appeal_id: Annotated[str, typer.Argument()],
    member_id: Annotated[int, typer.Argument()],
    no_match: Annotated[
        bool, typer.Option("--no-match", help="The screening found that this member does not fit.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Record the screening of a member who said yes: a confirmed donor, or (--no-match) not one."""
    with open_door() as door:
        with door.database.transaction() as connection:
            doors.confirm(
                connection,
                appeal_id,
                member_id,
                matched=not no_match,
                by=door.staff,
                event_id=door.new_id("screening"),
                now=door.now(),
            )
        door.pass_on()
        outcome = "no match" if no_match else "confirmed"
        facts: dict[str, object] = {"appeal_id": appeal_id, "member_id": member_id, "matched": not no_match}
        tell(facts, f"Member {member_id}: {outcome}.", as_json=as_json)
