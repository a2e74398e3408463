"""`muster topics`, `muster dead-letters` and `muster schemas`: the log and what is on it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from muster.commands.requests import AsJSON
from muster.doorstep import BAD_INPUT, OUT, REFUSED, fail, local, open_door, table_of, tell
from registry.errors import NotFound, Refused
from schemas.export import export
from streams.dead_letters import DeadLetter, all_letters, put_back
from streams.setup import check_topics, create_topics
from streams.topics import topics

topics_app = typer.Typer(no_args_is_help=True, help="Create the topics, or check them.")
letters_app = typer.Typer(no_args_is_help=True, help="What could not be used, and why.")
schemas_app = typer.Typer(no_args_is_help=True, help="The published types as JSON Schema.")


@topics_app.command("create")
def create(as_json: AsJSON = False) -> None:
    """Make the topics that are missing."""
    with open_door() as door:
        wanted = topics(door.settings.shards)
        create_topics(door.settings.log, wanted)
        tell({"topics": [topic.name for topic in wanted]}, "All topics are there.", as_json=as_json)


@topics_app.command("check")
def check(as_json: AsJSON = False) -> None:
    """Compare the log with what Muster needs."""
    with open_door() as door:
        found = check_topics(door.settings.log, topics(door.settings.shards))
        words = (
            "\n".join(f"{item.topic} {item.what}: {item.remedy}" for item in found)
            or "All topics are as they should be."
        )
        facts = [{"topic": item.topic, "what": item.what, "remedy": item.remedy} for item in found]
        tell({"differences": facts}, words, as_json=as_json)
        if found:
            raise typer.Exit(REFUSED)


@letters_app.command("list")
def list_letters(as_json: AsJSON = False) -> None:
    """All dead letters, the newest last."""
    with open_door() as door:
        letters = all_letters(door.settings.log)
        if as_json:
            tell({"dead_letters": [_facts(letter) for letter in letters]}, "", as_json=True)
            return
        table = table_of("id", "when", "reason", "retried")
        for letter in letters:
            table.add_row(letter.id, local(letter.time), escape(letter.reason), "yes" if letter.retried else "")
        OUT.print(table if letters else "No dead letters.")


@letters_app.command("show")
def show(letter_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJSON = False) -> None:
    """One dead letter with its bytes."""
    with open_door() as door:
        letter = _find(door.settings.log, letter_id)
        value = (letter.raw.value or b"").decode("utf-8", "replace")
        facts = {**_facts(letter), "value": value, "headers": [name for name, _ in letter.raw.headers]}
        words = f"{letter.id}  {local(letter.time)}\nreason: {letter.reason}\n{value}"
        if as_json:
            tell(facts, "", as_json=True)
        else:
            OUT.print(words, markup=False, highlight=False)


@letters_app.command("retry")
def retry(letter_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJSON = False) -> None:
    """Put a dead letter back onto its topic, as it was."""
    with open_door() as door:
        letter = _find(door.settings.log, letter_id)
        if letter.retried:
            raise Refused(f"{letter_id} was retried already")
        put_back(door.settings.log, letter, door.now())
        tell({"id": letter_id, "retried": True}, f"{letter_id} is back on {letter.raw.topic}.", as_json=as_json)


@schemas_app.command("export")
def export_schemas(folder: Path, as_json: AsJSON = False) -> None:
    """Write one JSON Schema per type into a folder."""
    try:
        count = len(export(folder))
    except OSError as exc:
        fail(BAD_INPUT, f"{folder}: {exc.strerror}: name a folder that can be made or written to")
    tell({"schemas": count, "folder": str(folder)}, f"{count} schemas are in {folder}.", as_json=as_json)


def _find(log_url: str, letter_id: str) -> DeadLetter:
    for letter in all_letters(log_url):
        if letter.id == letter_id:
            return letter
    raise NotFound(f"there is no dead letter {letter_id}: `muster dead-letters list` shows them all")


def _facts(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "topic": letter.raw.topic,
        "partition": letter.raw.partition,
        "offset": letter.raw.offset,
        "reason": letter.reason,
        "time": letter.time,
        "retried": letter.retried,
    }
