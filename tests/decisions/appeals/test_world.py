"""Whatever happens in whatever order, the decider keeps its promises (they are written in `world.py`)."""

from datetime import timedelta
from random import Random

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from decisions.appeals.decide import advance
from decisions.appeals.state import AppealState, Status, next_due
from schemas.appeals import AppealExpired, LaunchAppeal, StopAppeal
from schemas.spec import WaveSpec
from schemas.words import Answer, Policy
from tests.decisions.appeals.samples import APPEAL, MINUTE, NIGHT, answered, launch, screened
from tests.decisions.appeals.world import World, canonical

QUIET = settings(derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Hypothesis draws and shrinks the appeal and the length of the night; what happens in it comes from a seed, since its
# own randoms prefer so simple nights that hardly any appeal is filled.
RANDOM = st.integers(0, 2**32).map(Random)
STEPS = st.sampled_from([40, 10, 80, 160])


@st.composite
def launches(draw: st.DrawFn) -> LaunchAppeal:
    batch_size = draw(st.integers(1, 12))
    waves = [
        WaveSpec(after=timedelta(minutes=minutes), size=draw(st.none() | st.integers(1, 60)))
        for minutes in sorted(draw(st.sampled_from([[0], [0, 5], [0, 0, 10], [3, 20], [0, 45]])))
    ]
    return launch(
        need=draw(st.integers(1, 3)),
        waves=waves,
        shards=draw(st.integers(1, 3)),
        batch_size=batch_size,
        release_ahead=batch_size * draw(st.integers(1, 5)) + draw(st.integers(0, 5)),
        lasts=draw(st.sampled_from([60, 30, 1])) * MINUTE,
        policy=draw(st.sampled_from(Policy)),
        repeat_after=draw(st.sampled_from([0, 1, 5])) * MINUTE,
    )


@settings(QUIET, max_examples=300)
@given(launches(), RANDOM, STEPS)
def test_the_promises_hold_in_every_order_of_events(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
    world.finish()
    assert world.state is not None
    event(f"status {world.state.status}, waves {len(world.state.waves)}")
    event(f"{len(world.told.repeated)} batches asked a second time")
    assert next_due(world.state) is None
    assert world.told.waiting == world.state.stood_down


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM, STEPS)
def test_the_topic_alone_makes_the_same_state_and_orders_again(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
    state: AppealState | None = None
    orders = []
    for message, at in world.log:
        state, following = advance(state, message, at)
        orders += following
    assert canonical(state, orders) == canonical(world.state, world.orders)


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM, STEPS)
def test_the_same_input_again_orders_nothing_more(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
        message, at = world.log[-1]
        assert advance(world.state, message, at) == (world.state, [])


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM)
def test_left_alone_it_asks_everybody_whom_it_may_and_expires(order: LaunchAppeal, random: Random):
    world = World(order, NIGHT, random, people=1, calm=True)
    world.finish()
    assert world.state is not None
    assert world.state.status is Status.EXPIRED
    opened = [wave for wave in order.spec.waves if NIGHT + wave.after < order.deadline]
    assert len(world.state.waves) == len(opened)
    (expired,) = [message for message in world.orders if isinstance(message, AppealExpired)]
    assert expired.unreleased == 0
    assert world.told.released == world.told.reported
    asked = sum(wave.tally.sent for wave in world.state.waves)
    assert asked == sum(world.selections.values()) == sum(world.told.selected.values())


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM, STEPS)
def test_the_deciding_confirmation_closes_it_at_once(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
    assert world.state is not None
    if world.state.status.closed:
        return
    for who in range(101, 101 + order.spec.need):
        world.deliver(answered(who), world.now)
        world.deliver(screened(who), world.now)
    assert world.state.status is Status.FILLED


@settings(QUIET, max_examples=60)
@given(launches(), RANDOM, STEPS)
def test_a_stop_is_heard_at_any_time(order: LaunchAppeal, random: Random, steps: int):
    world = World(order, NIGHT, random, people=8)
    for _ in range(steps):
        world.step()
    world.deliver(answered(99, Answer.YES), world.now)
    world.deliver(StopAppeal(given_by="officer", appeal_id=APPEAL), world.now)
    assert world.state is not None
    assert world.state.status.closed
    assert world.told.stood_down[99] == 1
