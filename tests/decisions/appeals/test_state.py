"""What the decider knows is a value that JSON keeps as it is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.appeals.state import AppealState, Done
from tests.decisions.appeals.samples import NIGHT, launch


@settings(derandomize=True)
@given(st.lists(st.integers(0, 12)))
def test_finished_batches_are_remembered_in_any_order(batches: list[int]):
    done = Done()
    for batch in batches:
        done = done.add(batch)
    assert {batch for batch in range(20) if batch in done} == set(batches)
    assert len(done) == len(set(batches))


def test_finished_batches_in_order_take_no_room():
    done = Done()
    for batch in range(1_000):
        done = done.add(batch)
    assert done == Done(below=1_000)


def test_a_gap_that_is_filled_swallows_what_came_early():
    assert Done().add(2).add(1) == Done(beyond=(1, 2))
    assert Done().add(2).add(1).add(0) == Done(below=3)


@settings(derandomize=True)
@given(st.lists(st.integers(1, 100), unique=True))
def test_the_same_knowledge_is_the_same_bytes(members: list[int]):
    state = AppealState(launch=launch(), launched_at=NIGHT, moment=NIGHT)
    one_by_one: frozenset[int] = frozenset()
    for member in members:
        one_by_one |= {member}
    grown = state.model_copy(update={"stood_down": one_by_one}).model_dump_json()
    at_once = state.model_copy(update={"stood_down": frozenset(sorted(members))}).model_dump_json()
    assert grown == at_once
    assert AppealState.model_validate_json(grown).model_dump_json() == grown
