"""What a member said about being asked: yes or no, per channel and per purpose, each with its day and its source.

Kept as one short line, statements of one day and source together:
`2024-05-01/form:sms,blood 2024-06-02/hotline:-email`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from decisions.permissions import Scope, bit
from schemas.words import Channel, Purpose


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """`on` is an ISO day; empty where nobody knows when it was said."""

    on: str
    source: str
    given: bool


Statements = Mapping[str, Statement]
SUBJECTS: Mapping[str, Scope] = {
    **{str(channel): Scope(channel=channel) for channel in Channel},
    **{str(purpose): Scope(purpose=purpose) for purpose in Purpose},
}


def mask_of(statements: Statements) -> int:
    """The consents that stand, as the bits of `decisions.permissions`."""
    return sum(bit(SUBJECTS[subject]) for subject, statement in statements.items() if statement.given)


def merged(known: Statements, said: Statements, *, today: str) -> dict[str, Statement]:
    """What holds after something was said: the later statement counts, and on the same day a no counts."""
    result = dict(known)
    for subject, statement in said.items():
        before = known.get(subject)
        if before is None or _replaces(statement, before):
            result[subject] = statement if statement.on else replace(statement, on=today)
    return result


def _replaces(new: Statement, old: Statement) -> bool:
    if not new.on:
        return new.given != old.given
    if new.on == old.on:
        return new.given == old.given or old.given
    return new.on > old.on


def render(statements: Statements) -> str | None:
    """One line, the same for the same statements; none if nothing was said."""
    ordered = sorted((s.on, s.source, order, s.given) for order, s in _in_order(statements))
    names = list(SUBJECTS)
    return (
        " ".join(
            f"{on}/{source}:" + ",".join(("" if given else "-") + names[order] for *_, order, given in group)
            for (on, source), group in groupby(ordered, key=lambda item: item[:2])
        )
        or None
    )


def _in_order(statements: Statements) -> list[tuple[int, Statement]]:
    order = {subject: number for number, subject in enumerate(SUBJECTS)}
    return [(order[subject], statement) for subject, statement in statements.items()]


def parse(line: str | None) -> dict[str, Statement]:
    """What `render` wrote."""
    statements = {}
    for group in (line or "").split():
        head, _, subjects = group.rpartition(":")
        on, _, source = head.partition("/")
        for subject in subjects.split(","):
            statements[subject.removeprefix("-")] = Statement(on, source, given=not subject.startswith("-"))
    return statements
