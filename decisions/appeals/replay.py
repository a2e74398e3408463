"""Decides an appeal again from its topic, and compares what follows with the facts that were published.

Each fact names the version of the rules that decided it (`Decided.decider`).  An input is decided again under the version
that its own facts name, or, when it led to none, under that of the latest fact before it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from decisions.appeals.decide import INPUTS, VERSION, advance, order_id
from decisions.appeals.state import AppealState
from schemas.appeals import Decided
from schemas.envelope import Envelope
from schemas.reader import Message, write

Decider = Callable[[AppealState | None, Message, datetime], tuple[AppealState | None, list[Message]]]
DECIDERS: Final[Mapping[int, Decider]] = MappingProxyType({VERSION: advance})


class UnknownDecider(ValueError):
    """The facts name rules that this release does not have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message about the appeal, and where on the topic it stands; `body` is what stands there, byte for byte."""

    offset: int
    envelope: Envelope
    message: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that the decider has published, or would: `offset` is that of the input which it follows from."""

    offset: int
    number: int
    id: str
    time: datetime
    type: str
    body: bytes

    def canonical(self) -> bytes:
        """The same bytes for the same fact, whoever wrote its JSON."""
        # Facts from before versions were written down are of the first one.
        body = {"decider": 1, **json.loads(self.body)}
        told = {"id": self.id, "time": self.time.astimezone(UTC).isoformat(), "type": self.type, "body": body}
        return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def decider(self) -> int:
        return int(json.loads(self.body).get("decider", 1))


@dataclass(frozen=True, slots=True)
class Replayed:
    """The appeal, decided again."""

    state: AppealState | None
    inputs: int
    facts: tuple[Fact, ...]
    deciders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not the same; `offset` is that of the input which it follows from."""

    offset: int
    id: str
    reason: str


def published(entries: Iterable[Entry]) -> list[Fact]:
    """The facts among these.  One that was published twice is there twice."""
    return [
        Fact(*_follows_from(entry.envelope.id), entry.envelope.id, entry.envelope.time, entry.envelope.type, entry.body)
        for entry in entries
        if isinstance(entry.message, Decided)
    ]


def replay(
    entries: Sequence[Entry], facts: Iterable[Fact] = (), *, deciders: Mapping[int, Decider] = DECIDERS
) -> Replayed:
    """Decide the inputs among these again, each once, in the order of the topic; `facts` say by which rules.

    Raises `UnknownDecider`.
    """
    named = {fact.offset: fact.decider for fact in facts}
    state: AppealState | None = None
    version = min(named.values(), default=VERSION)
    seen: set[str] = set()
    decided: list[Fact] = []
    used: set[int] = set()
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if not isinstance(entry.message, INPUTS) or entry.envelope.id in seen:
            continue
        seen.add(entry.envelope.id)
        version = named.get(entry.offset, version)
        if version not in deciders:
            known = ", ".join(map(str, sorted(deciders)))
            raise UnknownDecider(
                f"offset {entry.offset} was decided by version {version} of the rules; this release has {known}"
            )
        used.add(version)
        state, orders = deciders[version](state, entry.message, entry.envelope.time)
        decided += _facts(entry, orders, state.moment if state else entry.envelope.time)
    return Replayed(state, len(seen), tuple(decided), tuple(sorted(used)))


def differences(again: Iterable[Fact], before: Iterable[Fact]) -> list[Difference]:
    """Where what is decided again is not what was published, in the order of the inputs."""
    decided = {fact.id: fact for fact in again}
    found: dict[tuple[int, int, str], Difference] = {}
    told: set[str] = set()
    for fact in before:
        told.add(fact.id)
        reason = _difference(decided.get(fact.id), fact)
        if reason:
            found[fact.offset, fact.number, fact.id] = Difference(fact.offset, fact.id, reason)
    for fact in decided.values():
        if fact.id not in told:
            missing = Difference(fact.offset, fact.id, f"{fact.type} is decided again and was never published")
            found[fact.offset, fact.number, fact.id] = missing
    return [found[place] for place in sorted(found)]


def _difference(again: Fact | None, before: Fact) -> str:
    if again is None:
        return f"{before.type} was published and is not decided again"
    if again.canonical() == before.canonical():
        return ""
    if again.type != before.type:
        return f"{before.type} was published, {again.type} is decided again"
    if again.time != before.time:
        return f"{before.type} differs in its time"
    one, other = json.loads(again.body), json.loads(before.body)
    fields = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return f"{before.type} differs in: {', '.join(fields)}"


def _facts(entry: Entry, orders: Iterable[Message], time: datetime) -> list[Fact]:
    """Those of these orders that are facts; all others are named in the same row of numbers."""
    facts = []
    for number, order in enumerate(orders):
        if isinstance(order, Decided):
            name = order_id(order.appeal_id, entry.offset, number)
            facts.append(Fact(entry.offset, number, name, time, order.type, write(order)))
    return facts


def _follows_from(event_id: str) -> tuple[int, int]:
    """Offset of the input, and number among its orders; (-1, -1) for a name that no decider gives."""
    _, offset, number = ("", *event_id.rsplit(":", 2))[-3:]
    return (int(offset), int(number)) if offset.isdecimal() and number.isdecimal() else (-1, -1)
