"""Every member is counted exactly once, under the first reason that applies, whatever is asked of whomever."""

from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from decisions.permissions import Scope
from registry.audience.index import REASONS, AudienceIndex
from registry.audience.reasons import Exclusion
from schemas.words import ABO, BloodKnown, Channel, Purpose, RhD
from tests.registry.audience.people import CRITERIA, FOR_AB, PERSONS, Person, forget_all, reason, store

NOBODY = np.empty(0, np.int64)
# The database is emptied by every example itself.
same_database = settings(
    max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@same_database
@given(
    people=st.lists(PERSONS, min_size=8, max_size=40),
    criteria=CRITERIA,
    asked=st.sets(st.integers(1, 30)),
    shards=st.integers(1, 3),
)
def test_a_scan_says_what_the_rules_say_of_each_member(connection: Connection, people, criteria, asked, shards):
    forget_all(connection)
    ids = store(connection, people)
    known = {member: person for member, person in zip(ids, people, strict=True) if not person.erased}
    expected = {member: reason(person, criteria, asked=member in asked) for member, person in known.items()}

    indexes = AudienceIndex.load_many(connection, range(shards), shards)
    before = np.array(sorted(asked, reverse=True), np.int64)
    scans = [index.scan(criteria, before) for index in indexes]

    found = sum((Counter(scan.excluded) for scan in scans), Counter())
    assert found == Counter(why for why in expected.values() if why)
    fits = {member for member, why in expected.items() if why is None}
    best = {member for member in fits if criteria.abo and known[member].rhd is RhD.NEGATIVE}
    assert [sum(bins) for bins in zip(*(scan.bins for scan in scans), strict=True)] == [len(best), len(fits - best)]
    assert sum(scan.members for scan in scans) == len(known)
    for scan in scans:
        assert sum(scan.bins) + sum(scan.excluded.values()) == scan.members

    chosen = [index.select(criteria, before, limit=len(ids), salt="a").tolist() for index in indexes]
    assert sorted(member for part in chosen for member in part) == sorted(fits)
    sifted = [index.sift(criteria, before) for index in indexes]
    assert [shard.bins for shard in sifted] == [scan.bins for scan in scans]
    for limit in (len(ids), 3):
        some = [index.select(criteria, before, limit=limit, salt="a").tolist() for index in indexes]
        assert [shard.choose(limit, "a").ids.tolist() for shard in sifted] == [sorted(part) for part in some]
    codes = [code for shard in sifted for code in shard.reasons.tolist()]
    assert Counter(REASONS[code - 1] if code else None for code in codes) == Counter(expected.values())


LEAP = date(2024, 2, 29)
UNKNOWN_TOO = {"blood_known": BloodKnown.EITHER}
BY_EMAIL = {"channel": Channel.EMAIL}
MAILBOX = Person(email=True, mobile=False, consents=frozenset((Channel.EMAIL, Purpose.BLOOD)))
OF_THE_NUMBER = frozenset((Scope(),))


@pytest.mark.parametrize(
    ("person", "asked_for", "why"),
    [
        (Person(), {}, None),
        (MAILBOX, {}, "no_consent"),
        (MAILBOX, BY_EMAIL, None),
        (replace(MAILBOX, number_opt_outs=OF_THE_NUMBER), BY_EMAIL, None),
        (replace(MAILBOX, failed=True), BY_EMAIL, None),
        (replace(MAILBOX, bounced=True), BY_EMAIL, "unreachable"),
        (Person(bounced=True), {}, None),
        (Person(number_opt_outs=OF_THE_NUMBER), {}, "opted_out"),
        (Person(email=True, mobile=False), {}, "unreachable"),
        (Person(failed=True), {}, "unreachable"),
        (Person(consents=frozenset((Purpose.BLOOD,))), {}, "no_consent"),
        (Person(consents=frozenset((Channel.SMS,))), {}, "no_consent"),
        (Person(deferred=date(2024, 5, 1)), {}, None),
        (Person(deferred=date(2024, 5, 2)), {}, "deferred"),
        (Person(born=date(2006, 5, 1)), {}, None),
        (Person(born=date(2006, 5, 2)), {}, "age"),
        (Person(born=date(1963, 5, 2)), {}, None),
        (Person(born=date(1963, 5, 1)), {}, "age"),
        (Person(born=date(2006, 2, 28)), {"on": LEAP}, None),
        (Person(born=date(2006, 3, 1)), {"on": LEAP}, "age"),
        (Person(born=date(1963, 3, 1)), {"on": LEAP}, None),
        (Person(born=date(2004, 2, 29)), {"on": date(2022, 2, 28)}, "age"),
        (Person(born=date(2004, 2, 29)), {"on": date(2022, 3, 1)}, None),
        (Person(born=None), {}, "age"),
        (Person(abo=None), {}, "blood_type_unknown"),
        (Person(abo=None), UNKNOWN_TOO, None),
        (Person(abo=None, subtype=True), UNKNOWN_TOO, "blood_type_other"),
        (Person(abo=ABO.A), UNKNOWN_TOO, "blood_type_other"),
        (Person(), {"blood_known": BloodKnown.UNKNOWN}, "blood_type_known"),
        (Person(), {"rhd_negative_only": True}, "rhd"),
        (Person(skills=frozenset(("driver",))), {"skills": (" Driver",)}, None),
        (Person(skills=frozenset(("driver",))), {"skills": ("driver", "lawyer")}, "skills"),
    ],
)
def test_what_keeps_a_member_from_an_appeal(connection: Connection, person: Person, asked_for, why: str | None):
    store(connection, [person])
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    scan = index.scan(FOR_AB.model_copy(update=asked_for), NOBODY)
    assert {reason.value: count for reason, count in scan.excluded.items() if count} == ({why: 1} if why else {})
    assert scan.bins == ((0, 0) if why else (0, 1))


def test_the_largest_values_that_fields_can_hold_do_not_touch_each_other(connection: Connection):
    others = frozenset(
        Scope(purpose, channel) for purpose in (Purpose.VOLUNTEER, Purpose.BENEFITS) for channel in Channel
    )
    person = Person(
        email=True,
        consents=frozenset((*Channel, *Purpose)),
        opt_outs=others,
        number_opt_outs=others,
        born=date.max,
        deferred=date.min,
        district="999999",
        rhd=RhD.DEL,
    )
    last = 2**31 - 1
    store(connection, [person], first_id=last)
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    criteria = FOR_AB.model_copy(update={"districts": ("999999",), "ages": None})
    assert index.select(criteria, NOBODY, limit=9, salt="").tolist() == [last]
    too_young = index.scan(criteria.model_copy(update={"ages": (0, 200)}), NOBODY)
    assert too_young.excluded[Exclusion.AGE] == 1


def test_a_shard_alone_holds_what_it_holds_among_all(connection: Connection):
    ids = store(connection, [Person() for _ in range(300)])
    together = AudienceIndex.load_many(connection, range(4), 4)
    alone = [AudienceIndex.load(connection, shard, 4) for shard in range(4)]
    selected = [
        [index.select(FOR_AB, NOBODY, limit=999, salt="").tolist() for index in kind] for kind in (together, alone)
    ]
    assert selected[0] == selected[1]
    assert sorted(chain.from_iterable(selected[0])) == ids
    assert all(selected[0]), "every shard has somebody"


def test_the_documented_order_is_the_order_of_the_rules():
    text = " ".join(Path("docs/cli.md").read_text("utf-8").split())
    assert ", ".join(Exclusion) in text


def test_a_member_takes_less_than_sixty_bytes(connection: Connection):
    store(connection, [Person(skills=frozenset(("driver",))) for _ in range(1000)])
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    assert index.nbytes < 60 * len(index)
