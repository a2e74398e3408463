"""An appeal, decided again from the log, for programs and for people."""

import asyncio
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table

from decisions.appeals.replay import Difference, Entry, Fact, Replayed, differences, published, replay
from muster.doorstep import local, table_of
from registry import appeals, outbox
from registry.database import Database
from registry.errors import NotFound
from schemas.envelope import Envelope
from schemas.reader import UnknownType, Unreadable, read
from streams.tail import read_to_end

_TOPIC = "appeals"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided again, and what of it is not what was published."""

    appeal_id: str
    again: Replayed
    published: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences

    def as_json(self, *, checked: bool) -> dict[str, object]:
        again = self.again
        facts: dict[str, object] = {
            "appeal_id": self.appeal_id,
            "inputs": again.inputs,
            "deciders": list(again.deciders),
            "status": again.state.status.value if again.state else None,
            "facts": [_told(fact) for fact in again.facts],
        }
        if checked:
            facts |= {
                "published": self.published,
                "equal": self.equal,
                "differences": [
                    {"offset": item.offset, "id": item.id, "reason": item.reason} for item in self.differences
                ],
            }
        return facts

    def as_words(self, *, checked: bool) -> Group:
        again = self.again
        told = table_of("when", "offset", "decided again")
        for fact in again.facts:
            told.add_row(local(fact.time), str(fact.offset), fact.type.removeprefix("muster."))
        status = again.state.status.value if again.state else "nothing decided yet"
        lines: list[Table | str] = [told, f"{again.inputs:,} inputs, {len(again.facts):,} facts, {status}."]
        if checked and self.equal:
            lines.append(f"Equal to the {self.published:,} facts that were published, byte for byte.")
        elif checked:
            lines += [f"Offset {item.offset}: {item.reason}." for item in self.differences]
        return Group(*lines)


def _told(fact: Fact) -> dict[str, object]:
    return {"offset": fact.offset, "id": fact.id, "time": fact.time.isoformat(), "type": fact.type}


def decide_again(database: Database, log_url: str, appeal_id: str) -> Outcome:
    """The appeal as the topic `appeals` tells it, as far as it has been decided by now.

    Raises `NotFound`, `UnknownDecider`, `LogUnreachable` or `DatabaseUnreachable`.
    """
    # In this order: what has been decided by now is then either in the outbox or, a moment later, on the log.
    with database.snapshot() as connection:
        stored = appeals.load_state(connection, appeal_id)
        unpublished = outbox.waiting_for(connection, _TOPIC, appeal_id)
    if stored is None:
        raise NotFound(f"there is no appeal {appeal_id}: `muster appeal list` shows them all")
    told = asyncio.run(_entries(log_url, appeal_id))
    waiting = [entry for item in unpublished if (entry := _entry(-1, item.envelope, item.value)) is not None]
    facts = [fact for fact in published([*told, *waiting]) if fact.offset <= stored.applied]
    again = replay([entry for entry in told if entry.offset <= stored.applied], facts)
    return Outcome(appeal_id, again, len({fact.id for fact in facts}), tuple(differences(again.facts, facts)))


async def _entries(log_url: str, appeal_id: str) -> list[Entry]:
    """What the topic says about this appeal."""
    key = appeal_id.encode()
    found: list[Entry] = []
    async for raw in read_to_end(log_url, _TOPIC):
        if raw.key == key:
            try:
                envelope = Envelope.from_headers(raw.headers)
            except ValueError:
                continue  # it has gone to the dead letters, undecided
            if (entry := _entry(raw.offset, envelope, raw.value)) is not None:
                found.append(entry)
    return found


def _entry(offset: int, envelope: Envelope, body: bytes | None) -> Entry | None:
    """None for what no decider of this release has read."""
    try:
        return Entry(offset, envelope, read(body), body or b"")
    except (Unreadable, UnknownType):
        return None
