"""Made-up members as plain values, and the rules for asking them written out member by member."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert

from decisions.permissions import Scope, bit
from decisions.shards import bucket_of
from registry import revisions
from registry.members import MEMBERS
from registry.revisions import REVISIONS
from schemas.criteria import Criteria
from schemas.words import ABO, BloodKnown, Channel, Language, Purpose, RhD, Sex

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAYS = (date(2024, 5, 1), date(2024, 2, 29), date(2023, 2, 28), date(2023, 3, 1))
CHANNELS = (Channel.SMS, Channel.EMAIL)
DISTRICTS = ("110101", "110105", "110119")


@dataclass(frozen=True)
class Person:
    """What the registry knows of one member; the defaults fit an appeal for AB."""

    mobile: bool = True
    email: bool = False
    failed: bool = False
    bounced: bool = False
    erased: bool = False
    consents: frozenset[Channel | Purpose] = frozenset((Channel.SMS, Purpose.BLOOD))
    opt_outs: frozenset[Scope] = frozenset()
    number_opt_outs: frozenset[Scope] = frozenset()
    born: date | None = date(1990, 1, 1)
    deferred: date | None = None
    sex: Sex | None = Sex.FEMALE
    district: str | None = "110105"
    language: Language = Language.CHINESE
    abo: ABO | None = ABO.AB
    rhd: RhD | None = None
    subtype: bool = False
    skills: frozenset[str] = frozenset()

    def row(self, member_id: int, revision: int) -> dict[str, Any]:
        """The member as the import would store them."""
        return {
            "id": member_id,
            "bucket": bucket_of(member_id),
            "revision": revision,
            "card_number": f"BJ{member_id:010d}",
            "mobile": f"+86179{member_id % 10**8:08d}" if self.mobile else None,
            "email": f"m{member_id}@example.org" if self.email else None,
            "sms_failed_status": 11 if self.failed else None,
            "email_failed_status": 550 if self.bounced else None,
            "erased_at": NOW if self.erased else None,
            "consents": _mask(_consented(subject) for subject in self.consents),
            "opt_outs": _mask(self.opt_outs),
            "number_opt_outs": _mask(self.number_opt_outs),
            "birth_date": self.born,
            "deferred_until": self.deferred,
            "sex": self.sex,
            "district": self.district,
            "language": self.language,
            "abo": self.abo,
            "rhd": self.rhd,
            "blood_subtype": "A2" if self.subtype else None,
            "skills": ";".join(sorted(self.skills)) or None,
        }


def _consented(subject: Channel | Purpose) -> Scope:
    return Scope(channel=subject) if isinstance(subject, Channel) else Scope(purpose=subject)


def _mask(scopes: Iterable[Scope]) -> int:
    total = 0
    for scope in scopes:
        total |= bit(scope)
    return total


def store(connection: Connection, people: Sequence[Person], *, first_id: int | None = None) -> list[int]:
    """Add these members under one revision; their ids."""
    turn = revisions.take(connection, ids=len(people))
    first = turn.first_id if first_id is None else first_id
    ids = list(range(first, first + len(people)))
    if people:
        rows = [person.row(member_id, turn.revision) for member_id, person in zip(ids, people, strict=True)]
        connection.execute(insert(MEMBERS), rows)
    return ids


def forget_all(connection: Connection) -> None:
    connection.execute(delete(MEMBERS))
    connection.execute(delete(REVISIONS))


# --- the rules, one member at a time --------------------------------------------------------------------------------


def reason(person: Person, criteria: Criteria, *, asked: bool) -> str | None:
    """The first reason in the documented order why this member is not asked; none if they are."""
    return next((name for name, applies in _rules(person, criteria, asked=asked) if applies), None)


def _rules(person: Person, criteria: Criteria, *, asked: bool) -> list[tuple[str, bool]]:
    purpose, channel = criteria.purpose, criteria.channel
    refused = person.opt_outs if channel is Channel.EMAIL else person.opt_outs | person.number_opt_outs
    forbidding = {Scope(), Scope(purpose), Scope(None, channel), Scope(purpose, channel)}
    mailbox = person.email and not person.bounced
    reachable = mailbox if channel is Channel.EMAIL else person.mobile and not person.failed
    known = person.abo is not None or person.subtype
    fits = person.abo in criteria.abo and not person.subtype
    blood = bool(criteria.abo)
    return [
        ("opted_out", bool(refused & forbidding)),
        ("no_consent", not {purpose, channel} <= person.consents),
        ("unreachable", not reachable),
        ("deferred", person.deferred is not None and person.deferred > criteria.on),
        ("already_asked", asked),
        ("age", criteria.ages is not None and not _of_age(person.born, criteria.ages, criteria.on)),
        ("sex", criteria.sex is not None and person.sex != criteria.sex),
        ("district", bool(criteria.districts) and person.district not in criteria.districts),
        ("language", bool(criteria.languages) and person.language not in criteria.languages),
        ("skills", not {skill.lower() for skill in criteria.skills} <= person.skills),
        ("blood_type_unknown", blood and criteria.blood_known is BloodKnown.KNOWN and not known),
        ("blood_type_known", blood and criteria.blood_known is BloodKnown.UNKNOWN and known),
        ("blood_type_other", blood and known and not fits),
        ("rhd", criteria.rhd_negative_only and person.rhd is not RhD.NEGATIVE),
    ]


def _of_age(born: date | None, ages: tuple[int, int], on: date) -> bool:
    if born is None:
        return False
    completed = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return ages[0] <= completed <= ages[1]


# --- any people, any question ---------------------------------------------------------------------------------------

_SCOPES = st.frozensets(
    st.builds(Scope, st.sampled_from([None, *Purpose]), st.sampled_from([None, *Channel])), max_size=2
)
# Around every birthday that decides, and on any day.
_BORN = (
    st.none()
    | st.dates(date(1900, 1, 1), date(2024, 1, 1))
    | st.builds(
        lambda day, years, later: date(day.year - years, day.month, min(day.day, 28)) + timedelta(days=later),
        st.sampled_from(DAYS),
        st.sampled_from([18, 19, 60, 61]),
        st.integers(-1, 2),
    )
)
_DIFFERENT_PERSONS = {
    "mobile": st.just(False),
    "email": st.just(True),
    "failed": st.just(True),
    "bounced": st.just(True),
    "erased": st.just(True),
    "consents": st.frozensets(st.sampled_from([*Channel, *Purpose])),
    "opt_outs": _SCOPES,
    "number_opt_outs": _SCOPES,
    "born": _BORN,
    "deferred": st.builds(lambda day, later: day + timedelta(days=later), st.sampled_from(DAYS), st.integers(-1, 1)),
    "sex": st.sampled_from([None, *Sex]),
    "district": st.sampled_from([None, *DISTRICTS]),
    "language": st.sampled_from(Language),
    "abo": st.sampled_from([None, *ABO]),
    "rhd": st.sampled_from([None, *RhD]),
    "subtype": st.just(True),
    "skills": st.frozensets(st.sampled_from(["driver", "lawyer", "手语"]), min_size=1, max_size=2),
}
_DIFFERENT_CRITERIA = {
    "purpose": st.sampled_from(Purpose),
    "channel": st.sampled_from(CHANNELS),
    "on": st.sampled_from(DAYS),
    "abo": st.lists(st.sampled_from(ABO), unique=True, max_size=2).map(tuple),
    "blood_known": st.sampled_from(BloodKnown),
    "rhd_negative_only": st.just(True),
    "districts": st.lists(st.sampled_from(DISTRICTS), unique=True).map(tuple),
    "ages": st.none() | st.sampled_from([(18, 60), (19, 19), (0, 5000)]),
    "sex": st.sampled_from(Sex),
    "skills": st.lists(st.sampled_from(["Driver", "lawyer", "手语", "juggler"]), min_size=1, max_size=2).map(tuple),
    "languages": st.lists(st.sampled_from(Language), unique=True).map(tuple),
}
FOR_AB = Criteria(
    programme="platelets",
    purpose=Purpose.BLOOD,
    on=DAYS[0],
    abo=(ABO.AB,),
    blood_known=BloodKnown.KNOWN,
    ages=(18, 60),
)


@st.composite
def _a_few(draw: st.DrawFn, parts: dict[str, st.SearchStrategy[Any]], *, most: int) -> dict[str, Any]:
    """Different in a few points only: who differs in all is always out for the first reason."""
    names = draw(st.lists(st.sampled_from(sorted(parts)), unique=True, max_size=most))
    return {name: draw(parts[name]) for name in names}


PERSONS = _a_few(_DIFFERENT_PERSONS, most=3).map(lambda different: replace(Person(), **different))
CRITERIA = _a_few(_DIFFERENT_CRITERIA, most=3).map(lambda different: FOR_AB.model_copy(update=different))
