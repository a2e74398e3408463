"""`muster answer record` and `muster confirm`: what hotline seats and coordinators write down."""

from typing import Annotated

import typer

from agents import doors
from muster.commands.requests import AsJSON
from muster.doorstep import open_door, tell
from muster.who import Card, Mobile, ensure_one_way, member_of
from schemas.words import Answer

answer_app = typer.Typer(no_args_is_help=True, help="Write down what a caller said.")


@answer_app.command("record")
def record(
    said: Annotated[Answer, typer.Argument(metavar="ANSWER", help="What the caller said.")],
    member: Annotated[int | None, typer.Option(help="The member's id.")] = None,
    mobile: Mobile = None,
    card: Card = None,
    appeal: Annotated[str | None, typer.Option(help="Needed only when several open appeals asked this member.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Record a caller's answer, as a hotline seat.

    For example: muster answer record yes --mobile 17900000000

    `withdrawn` takes a yes back.  The latest answer counts; the caller gets no text, for the seat has answered.
    """
    ensure_one_way("--member, --mobile or --card", member, mobile, card)
    with open_door() as door:
        with door.database.transaction() as connection:
            member_id = member_of(connection, member=member, mobile=mobile, card=card)
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


def confirm(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL_ID")],
    member_id: Annotated[int, typer.Argument(metavar="MEMBER_ID")],
    no_match: Annotated[
        bool, typer.Option("--no-match", help="The screening found that this member does not fit.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Record the screening of a member who said yes: a confirmed donor, or (--no-match) not one.

    Once per member.  When the need is met, what is unsent is withdrawn and everybody else who said yes is stood down.
    """
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
