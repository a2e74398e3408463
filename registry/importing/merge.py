"""What holds for a member who was known before, after a file said something: one pure rule per kind of column.

A column that the file does not have changes nothing.  Of the others the file is right, except that empty cells say
nothing of health and consent, a laboratory's result yields only to a laboratory's, the last donation does not become
earlier, an older statement does not undo a newer one, and an opt-out stays.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from decisions.consents import mask_of, merged, parse, render
from registry.importing.chunk import Row, Values
from registry.importing.fields import STORED

_PLAIN: Final = {
    "name": "name",
    "mobile": "mobile",
    "email": "email",
    "preferred_channel": "preferred_channel",
    "language": "language",
    "sex": "sex",
    "birth_date": "birth_date",
    "district": "district",
    "union": "union_name",
    "skills": "skills",
}
_AT: Final = {name: place for place, name in enumerate(STORED)}
_LABORATORY: Final = "laboratory"


def merging(fields: AbstractSet[str], *, today: str) -> Callable[[Values, Row], Values]:
    """The rule for a file with these fields: from what is stored and what the row says to what is stored now."""
    plain = [_AT[stored] for name, stored in _PLAIN.items() if name in fields]

    def merge(known: Values, row: Row) -> Values:
        said = row.values
        result = list(known)
        for place in plain:
            result[place] = said[place]
        _typed(result, said, ("abo", "abo_source", "blood_subtype"))
        _typed(result, said, ("rhd", "rhd_source"))
        _donated(result, said)
        if said[_AT["deferred_until"]] is not None:
            _take(result, said, "deferred_until", "deferral_code")
        if row.said:
            statements = merged(parse(known[_AT["consent_record"]]), row.said, today=today)
            result[_AT["consents"]], result[_AT["consent_record"]] = mask_of(statements), render(statements)
        result[_AT["opt_outs"]] |= said[_AT["opt_outs"]]
        return tuple(result)

    return merge


def _take(result: list[Any], said: Values, *names: str) -> None:
    for name in names:
        result[_AT[name]] = said[_AT[name]]


def _typed(result: list[Any], said: Values, names: tuple[str, ...]) -> None:
    source = _AT[names[1]]
    if said[source] is not None and (result[source] != _LABORATORY or said[source] == _LABORATORY):
        _take(result, said, *names)


def _donated(result: list[Any], said: Values) -> None:
    day, component = _AT["last_donation_on"], _AT["last_donation_component"]
    new, old = said[day], result[day]
    if new is not None and (old is None or new > old or (new == old and said[component] is not None)):
        _take(result, said, "last_donation_on", "last_donation_component")
