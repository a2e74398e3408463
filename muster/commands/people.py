"""`muster answer record` and `muster confirm`: what hotline seats and coordinators write down."""

from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy import Row

from agents import doors
from muster.commands.requests import AsJSON
from muster.doorstep import OUT, local, open_door, table_of, tell
from muster.who import Card, Mobile, ensure_one_way, member_of
from registry import appeals, replies
from registry.profile import Profile, profile
from schemas.words import Answer

_SCREENED = {None: "not yet", True: "confirmed", False: "no match"}
answer_app = typer.Typer(no_args_is_help=True, help="Write down what a caller said, and see who waits for a call.")


@answer_app.command("list")
def list_answers(
    appeal_id: Annotated[str, typer.Argument(metavar="APPEAL_ID")],
    everybody: Annotated[
        bool, typer.Option("--all", help="Every answer, the latest first, not only who waits for a call.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Who said yes and waits for a coordinator's call, the longest waiting first: name, number, blood group as known.

    Call, ask for the blood group, and write down what came out with `muster confirm APPEAL_ID MEMBER_ID [--no-match]`.
    """
    with open_door() as door:
        with door.database.snapshot() as connection:
            appeals.appeal(connection, appeal_id)
            rows = replies.answers(connection, appeal_id) if everybody else replies.open_yes(connection, appeal_id)
            callers = [_caller(row, profile(connection, row.member_id)) for row in rows]
        if as_json:
            tell({"appeal_id": appeal_id, "answers": callers}, "", as_json=True)
            return
        table = table_of("member", "name", "mobile", "blood", "answer", "since", "by", "screened")
        for caller in callers:
            since, screened = local(caller["answered_at"]), _SCREENED[caller["matched"]]  # type: ignore[arg-type, index]
            shown = [str(caller[name] or "") for name in ("member_id", "name", "mobile", "blood", "answer")]
            table.add_row(*map(escape, shown), since, str(caller["channel"]), screened)
        OUT.print(table if callers else "Nobody waits for a call.  --all shows every answer.")


def _caller(row: Row[tuple[object, ...]], known: Profile) -> dict[str, object]:
    blood = [str(known.attributes[name]) for name in ("abo", "rhd") if known.attributes[name]]
    return {
        "member_id": row.member_id,
        "name": known.attributes["name"],
        "mobile": known.attributes["mobile"],
        "blood": " ".join(blood),
        "answer": row.answer,
        "answered_at": row.answered_at,
        "channel": row.channel,
        "matched": row.matched,
    }


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
