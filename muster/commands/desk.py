"""`muster desk`: the replies that a person must read, and that somebody has read them."""

from typing import Annotated

import typer
from rich.markup import escape

from muster.commands.requests import AsJSON
from muster.doorstep import OUT, local, open_door, table_of, tell
from registry import replies
from registry.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="Replies that a person must read: questions, doubts, unknown numbers.")

_WHY = {
    "question": "asks something",
    "unclear": "could not be understood",
    "which-appeal": "answers one of several appeals",
    "no-appeal": "answers, but no open appeal asked",
    "unknown-number": "nobody has this number",
    "shared-number": "several members have this number",
}


@app.command("list")
def list_waiting(as_json: AsJSON = False) -> None:
    """What waits for a person, the oldest first, word for word.

    Every one of them has been acknowledged.  Call back, write down what was said with `muster answer record`, and then take
    it off the desk with `muster desk done REPLY_ID`.
    """
    with open_door() as door:
        with door.database.snapshot() as connection:
            rows = replies.waiting_for_a_person(connection)
        if as_json:
            facts = [
                {
                    "reply_id": row.reply_id,
                    "received_at": row.received_at,
                    "channel": row.channel,
                    "from": row.address,
                    "member_id": row.member_id,
                    "appeal_id": row.appeal_id,
                    "why": row.desk,
                    "words": row.words,
                }
                for row in rows
            ]
            tell({"waiting": facts}, "", as_json=True)
            return
        table = table_of("reply", "when", "from", "why", "words")
        for row in rows:
            sender = f"member {row.member_id}" if row.member_id is not None else row.address
            why = _WHY.get(str(row.desk), str(row.desk))
            table.add_row(row.reply_id, local(row.received_at), sender, why, escape(str(row.words)))
        OUT.print(table if rows else "Nothing waits for a person.")


@app.command("done")
def done(reply_id: Annotated[str, typer.Argument(metavar="REPLY_ID")], as_json: AsJSON = False) -> None:
    """Somebody has seen to this reply; it leaves the desk."""
    with open_door() as door:
        with door.database.transaction() as connection:
            if not replies.seen_to(connection, reply_id, by=door.staff):
                raise NotFound(f"no reply {reply_id} waits for a person: `muster desk list` shows those that do")
        tell({"reply_id": reply_id, "done": True}, f"Reply {reply_id} is done.", as_json=as_json)
