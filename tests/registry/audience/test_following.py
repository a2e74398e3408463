"""A shard that follows changes knows what a shard that was loaded afresh knows, and selects the same people."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from registry import revisions
from registry.audience.index import AudienceIndex
from registry.erasure import erase
from registry.members import MEMBERS
from registry.opt_outs import opt_out
from schemas.words import ABO, RhD
from tests.registry.audience.people import CRITERIA, FOR_AB, NOW, PERSONS, Person, forget_all, store

NOBODY = np.empty(0, np.int64)
CHANGES = st.lists(st.one_of(PERSONS, st.tuples(st.integers(0, 30), PERSONS)), max_size=6)
same_database = settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def change(connection: Connection, member: int, person: Person) -> None:
    revision = revisions.take(connection).revision
    row = {name: value for name, value in person.row(member, revision).items() if name not in ("id", "bucket")}
    connection.execute(update(MEMBERS).where(MEMBERS.c.id == member).values(**row))


@same_database
@given(
    people=st.lists(PERSONS, min_size=1, max_size=20),
    rounds=st.lists(CHANGES, max_size=3),
    criteria=CRITERIA,
    shards=st.integers(1, 3),
)
def test_who_follows_changes_knows_what_a_fresh_load_knows(connection: Connection, people, rounds, criteria, shards):
    """Members come, change in every way and are erased; another shard's changes are another shard's business."""
    forget_all(connection)
    ids = store(connection, people)
    following = AudienceIndex.load_many(connection, range(shards), shards)
    for changes in rounds:
        for what in changes:
            if isinstance(what, Person):
                ids += store(connection, [what])
            else:
                change(connection, ids[what[0] % len(ids)], what[1])
        for index in following:
            index.catch_up(connection)
            assert index.catch_up(connection) == 0
    fresh = AudienceIndex.load_many(connection, range(shards), shards)
    for one, other in zip(following, fresh, strict=True):
        assert len(one) == len(other)
        assert one.scan(criteria, NOBODY) == other.scan(criteria, NOBODY)
        selections = [index.select(criteria, NOBODY, limit=99, salt="s").tolist() for index in (one, other)]
        assert selections[0] == selections[1]


def test_an_opt_out_and_an_erasure_are_seen_at_once(connection: Connection):
    store(connection, [Person() for _ in range(5)])
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    opt_out(connection, 2, at=NOW, source="reply")
    erase(connection, 4, at=NOW)
    assert index.catch_up(connection) == 2
    assert sorted(index.select(FOR_AB, NOBODY, limit=9, salt="")) == [1, 3, 5]
    assert index.scan(FOR_AB, NOBODY).members == len(index) == 4


def test_known_negatives_come_first_and_the_rest_in_an_order_that_favours_nobody(connection: Connection):
    people = [Person(rhd=RhD.NEGATIVE if n % 10 == 0 else None) for n in range(1, 101)]
    store(connection, people)
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    order = index.select(FOR_AB, NOBODY, limit=100, salt="appeal-1").tolist()
    assert sorted(order) == list(range(1, 101))
    assert sorted(order[:10]) == list(range(10, 101, 10))
    assert order[10:] != sorted(order[10:])
    for limit in (0, 1, 9, 10, 11, 60):
        assert index.select(FOR_AB, NOBODY, limit=limit, salt="appeal-1").tolist() == order[:limit]
    other = index.select(FOR_AB, NOBODY, limit=100, salt="appeal-2").tolist()
    assert other != order
    assert sorted(other[:10]) == sorted(order[:10])
    asked = np.array(order[:50], np.int64)
    assert index.select(FOR_AB, asked, limit=100, salt="appeal-1").tolist() == order[50:]


def test_who_is_not_asked_for_blood_is_not_asked_sooner_for_it(connection: Connection):
    store(connection, [Person(rhd=RhD.NEGATIVE if n % 2 else None, abo=ABO.A) for n in range(40)])
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    anybody = FOR_AB.model_copy(update={"abo": ()})
    assert index.scan(anybody, NOBODY).bins == (0, 40)
    first = index.select(anybody, NOBODY, limit=20, salt="s").tolist()
    assert len({member % 2 for member in first}) == 2


def test_a_skill_that_is_learnt_or_lost_counts_at_once(connection: Connection):
    store(connection, [Person(), Person(skills=frozenset(("手语",)))])
    (index,) = AudienceIndex.load_many(connection, [0], 1)
    signing = FOR_AB.model_copy(update={"skills": ("手语",)})
    assert index.select(signing, NOBODY, limit=9, salt="").tolist() == [2]
    change(connection, 1, Person(skills=frozenset(("手语", "驾驶"))))
    change(connection, 2, Person())
    index.catch_up(connection)
    assert index.select(signing, NOBODY, limit=9, salt="").tolist() == [1]
