"""Windows, tokens, pauses and verdicts, on a clock that the test turns."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from notifiers.smpp.bucket import TokenBucket
from notifiers.smpp.metrics import SMSMetrics
from notifiers.smpp.pulse import BEAT_SECONDS, Pulse
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.shipment import Permission, Shipment
from notifiers.smpp.template import Composer
from notifiers.smpp.timing import Backoff, Timing
from notifiers.smpp.traffic import PORTION, Traffic
from notifiers.smpp.verdicts import VERDICTS, Verdict, verdict_on
from notifiers.smpp.window import FAIR_PART, FIRST_LIMIT, FIRST_PART, LEAST_LIMIT, Window
from tests.notifiers.conftest import LETTER, number


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def fill(window: Window) -> int:
    """Take places until nothing is free; how many that were."""
    total = 0
    while True:
        task = asyncio.ensure_future(window.take(10_000, urgent=True))
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return total
        total += task.result()


async def test_a_tenth_is_kept_for_urgent_messages():
    window = Window(50)
    assert await window.take(100) == 45
    waiting = asyncio.ensure_future(window.take(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await window.take(100, urgent=True) == 5
    window.give_back(5, urgent=True)
    await asyncio.sleep(0)
    assert not waiting.done()
    window.give_back(1)
    assert await waiting == 1


async def test_a_single_place_is_not_reserved():
    assert await Window(1).take(5) == 1


async def test_places_go_round_in_the_order_of_asking_and_urgent_ones_first():
    window = Window(10)
    await fill(window)
    order: list[str] = []

    async def ask(name: str, *, urgent: bool) -> None:
        await window.take(1, urgent=urgent)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for name, urgent in (("first", False), ("second", False), ("urgent", True), ("third", False)):
            group.create_task(ask(name, urgent=urgent))
            await asyncio.sleep(0)
        for _ in range(10):
            window.give_back(1, urgent=True)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert order == ["urgent", "first", "second", "third"]


async def test_whoever_gives_up_waiting_takes_no_place():
    window = Window(10)
    await fill(window)
    waiting = asyncio.ensure_future(window.take(3, urgent=True))
    await asyncio.sleep(0)
    window.give_back(10, urgent=True)  # granted ...
    waiting.cancel()  # ... and cancelled before it could be used
    await asyncio.gather(waiting, return_exceptions=True)
    assert window.taken == 0


async def test_giving_back_what_was_not_taken_is_a_bug():
    window = Window(10)
    places = await window.take(4)
    with pytest.raises(ValueError, match="more places"):
        window.give_back(places + 1)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60), st.integers(1, 100))
def test_never_more_places_than_there_are(asked, most):
    async def story() -> None:
        window = Window(most)
        held: list[tuple[int, bool]] = []
        for wanted, urgent in asked:
            task = asyncio.ensure_future(window.take(wanted, urgent=urgent))
            await asyncio.sleep(0)
            while not task.done():
                places, lane = held.pop(0)
                window.give_back(places, urgent=lane)
                await asyncio.sleep(0)
            assert 1 <= task.result() <= wanted
            held.append((task.result(), urgent))
            assert sum(places for places, _ in held) == window.taken <= window.limit

    asyncio.run(story())


async def test_places_go_to_the_other_lane_when_their_record_has_committed():
    window = Window(50)
    assert await window.take(100) == 45
    record: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    window.give_back(45, recorded=record)  # it stands in the bulk lane's queue
    assert await window.take(100, urgent=True) == 5
    again = asyncio.ensure_future(window.take(20))
    waiting = asyncio.ensure_future(window.take(10, urgent=True))
    await asyncio.sleep(0)
    assert again.result() == 20  # whoever claims behind that record need not wait
    assert not waiting.done()
    record.set_result(None)
    assert await waiting == 10


class Queue:
    """A lane's queue of claims and records, as the ledger sees it: what has committed, in order."""

    def __init__(self, window: Window, *, urgent: bool) -> None:
        self.window = window
        self.urgent = urgent
        self.held: list[int] = []
        self.standing: list[tuple[int, asyncio.Future[None] | None]] = []  # places claimed, or recorded if negative
        self.in_doubt = 0  # claimed and not recorded, both committed

    async def claim(self, wanted: int) -> None:
        task = asyncio.ensure_future(self.window.take(wanted, urgent=self.urgent))
        await asyncio.sleep(0)
        if task.done():
            assert 1 <= task.result() <= wanted
            self.held.append(task.result())
            self.standing.append((task.result(), None))
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def record(self) -> None:
        if self.held:
            places, recorded = self.held.pop(0), asyncio.get_running_loop().create_future()
            self.standing.append((-places, recorded))
            self.window.give_back(places, urgent=self.urgent, recorded=recorded)

    async def commit(self, count: int) -> None:
        done, self.standing = self.standing[:count], self.standing[count:]
        for places, recorded in done:
            self.in_doubt += places
            if recorded is not None:
                recorded.set_result(None)
        await asyncio.sleep(0)


steps = st.tuples(st.booleans(), st.sampled_from(["claim", "record", "commit"]), st.integers(1, 40))


@given(st.lists(steps, max_size=80), st.integers(1, 100))
@example([(urgent, what, 50) for urgent in (True, False) for what in ("claim", "commit", "record")], 50)
@example([(urgent, what, 50) for urgent in (False, True) for what in ("claim", "commit", "record")], 50)
def test_never_more_is_in_doubt_than_there_are_places_whichever_queue_is_ahead(story, most):
    async def play() -> None:
        window = Window(most)
        lanes = [Queue(window, urgent=False), Queue(window, urgent=True)]
        for urgent, what, count in story:
            lane = lanes[urgent]
            match what:
                case "claim":
                    await lane.claim(count)
                case "record":
                    lane.record()
                case "commit":
                    await lane.commit(count)
            assert sum(lane.in_doubt for lane in lanes) <= window.limit
            assert window.taken == sum(sum(lane.held) for lane in lanes) <= window.limit

    asyncio.run(play())


async def drive(window: Window, clock: Clock, *, rate: float, latency: float, seconds: float) -> None:
    """A gateway that answers `rate` messages a second, each after `latency`; everybody sends as much as he may."""
    await fill(window)
    queue: list[float] = [clock.now] * window.taken
    busy_until = clock.now
    end = clock.now + seconds
    while clock.now < end:
        size = min(32, len(queue))
        batch, queue = queue[:size], queue[size:]
        busy_until = max(busy_until, batch[-1]) + size / rate
        clock.now = max(clock.now, busy_until + latency)
        window.answered(size, written_at=batch[-1], arrived_at=clock.now, now=clock.now)
        window.give_back(size, urgent=True)
        queue += [clock.now] * await fill(window)


async def test_the_window_grows_for_a_quick_gateway():
    clock = Clock()
    window = Window(4096)
    assert window.limit == 4096 // FIRST_PART
    await drive(window, clock, rate=100_000, latency=0.001, seconds=2)
    assert window.limit == 4096


@pytest.mark.parametrize(("most", "first"), [(10, 10), (256, FIRST_LIMIT), (16_000, 16_000 // FIRST_PART)])
def test_a_window_begins_low_but_with_a_part_of_what_the_contract_allows(most: int, first: int):
    assert Window(most).limit == first


async def test_the_window_grows_too_where_places_are_free_as_soon_as_they_are_answered():
    """Where progress is kept nobody takes or gives back: what the answers were about is gone when they are counted."""
    window = Window(4096, elsewhere=lambda: 0)
    for at in range(100):
        window.answered(window.room, written_at=at, arrived_at=at + 0.001, now=at + 0.001)
    assert window.limit == 4096


async def test_the_window_holds_what_a_slow_gateway_takes_in_a_tenth_of_a_second():
    clock = Clock()
    window = Window(4096)
    await drive(window, clock, rate=2000, latency=0.001, seconds=20)
    assert 100 <= window.limit <= 300


async def test_answers_that_were_only_read_late_say_nothing_about_the_gateway():
    window = Window(4096)
    await fill(window)
    for at in range(100):
        window.answered(64, written_at=at, arrived_at=at + 0.01, now=at + 0.9)
    assert window.limit > 4096 // FIRST_PART


async def test_nobody_is_given_a_few_places_where_more_will_be_free_soon():
    window = Window(64)
    await fill(window)
    waiting = asyncio.ensure_future(window.take(64))
    window.give_back(6 + 64 // FAIR_PART - 1, urgent=True)  # the tenth that is kept free, and a little less than enough
    await asyncio.sleep(0)
    assert not waiting.done()
    window.give_back(1, urgent=True)
    assert await waiting == 64 // FAIR_PART


class Link:
    """A session that nobody answers: `kept` is how much has been written."""

    leaving = full = False

    def __init__(self) -> None:
        self.kept = 0

    @property
    def unanswered(self) -> int:
        return self.kept

    def submit(self, _: Shipment, indices: Sequence[int]) -> None:
        self.kept += len(indices)


async def test_a_large_window_is_filled_up_by_portions():
    """Where answers take their time, a window that waits for a quarter of its places is half empty."""
    settings = SMSSettings(window=65_535)
    timing = Timing(clock=Clock(), call_later=lambda _seconds, _call: SimpleNamespace(cancel=lambda: None))
    window, link = Window(settings.window, elsewhere=lambda: link.kept), Link()
    metrics, bucket = SMSMetrics(CollectorRegistry()), TokenBucket(None, timing.clock)
    traffic = Traffic(settings, window=window, bucket=bucket, metrics=metrics, timing=timing)
    traffic.link_up(link, urgent_only=False)
    letter = Composer(settings).compose(LETTER, concatenation=1, urgent=False)
    progress = SimpleNamespace(note=lambda _places, _state: None)
    everybody = [number(at).encode() for at in range(10_000)]
    permission = Permission(lambda: True)
    traffic.ship(Shipment(letter, everybody, permission, urgent=False, spell=lambda *_: [], progress=progress))
    for _ in range(3):
        assert window.limit * 9 // 10 - PORTION < link.kept <= window.limit * 9 // 10
        link.kept -= PORTION
        traffic.answered(link, PORTION, 0.0, [])


def test_a_beat_tells_when_an_answer_came_at_the_latest():
    clock, timers = Clock(), []
    timing = Timing(clock=clock, call_later=lambda seconds, call: timers.append(call))
    waiting = True
    pulse = Pulse(timing, lambda: waiting)
    pulse.wake()
    pulse.wake()
    assert len(timers) == 1
    clock.now += 0.015
    assert pulse.arrived(clock.now) == clock.now
    clock.now += 3  # the loop was busy with other things
    assert pulse.arrived(clock.now) == pytest.approx(clock.now - 3.015 + 2 * BEAT_SECONDS)
    waiting = False
    timers.pop()()
    assert not timers
    assert pulse.arrived(clock.now + 9) == clock.now + 9


async def test_a_distant_gateway_is_not_taken_for_a_slow_one():
    clock = Clock()
    window = Window(1024)
    await drive(window, clock, rate=100_000, latency=0.25, seconds=120)
    assert window.limit > 500


async def test_the_window_shrinks_when_the_gateway_slows_down():
    clock = Clock()
    window = Window(4096)
    await drive(window, clock, rate=100_000, latency=0.001, seconds=2)
    await drive(window, clock, rate=2000, latency=0.001, seconds=20)
    assert window.limit <= 300


async def test_throttling_halves_the_window_once_for_what_was_under_way():
    window = Window(64)
    window.throttled(written_at=1.0, now=2.0)
    window.throttled(written_at=1.5, now=2.1)
    assert window.limit == 32
    window.throttled(written_at=2.5, now=3.0)
    assert window.limit == 16
    for at in range(4, 20):
        window.throttled(written_at=at + 0.5, now=at + 0.6)
    assert window.limit == LEAST_LIMIT


async def test_a_known_rate_bounds_the_window():
    clock = Clock()
    window = Window(4096, rate=1000)
    await drive(window, clock, rate=100_000, latency=0.001, seconds=2)
    assert window.limit == 100


def test_the_limit_is_told():
    told: list[int] = []
    window = Window(64, on_limit=told.append)
    window.throttled(written_at=1.0, now=2.0)
    assert told == [64, 32]


def test_tokens_come_at_the_rate():
    clock = Clock()
    bucket = TokenBucket(100, clock)
    assert bucket.available(50, urgent=True) == 10
    bucket.spend(10)
    assert bucket.available(50, urgent=True) == 0
    assert bucket.delay(urgent=True) == pytest.approx(0.01)
    clock.now += 0.055
    assert bucket.available(50, urgent=True) == 5
    clock.now += 3600
    assert bucket.available(50, urgent=True) == 10


def test_a_tenth_of_the_tokens_is_kept_for_urgent_messages():
    clock = Clock()
    bucket = TokenBucket(1000, clock)
    assert bucket.available(500, urgent=False) == 90
    bucket.spend(90)
    assert bucket.available(500, urgent=False) == 0
    assert bucket.available(500, urgent=True) == 10
    assert bucket.delay(urgent=False) == pytest.approx(0.001)


def test_a_slow_rate_still_lets_bulk_go():
    bucket = TokenBucket(2, Clock())
    assert bucket.available(5, urgent=False) == 1


def test_without_a_rate_nobody_waits():
    bucket = TokenBucket(None, Clock())
    assert bucket.available(10_000, urgent=False) == 10_000
    bucket.spend(10_000)
    assert bucket.delay(urgent=False) == 0


@given(st.floats(0.5, 5000), st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=80))
def test_the_rate_is_never_exceeded(rate, steps):
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    spent, began = 0, clock.now
    for pause, urgent in steps:
        clock.now += pause
        tokens = bucket.available(10_000, urgent=urgent)
        bucket.spend(tokens)
        spent += tokens
        assert spent <= max(1.0, rate / 10) + (clock.now - began) * rate + 1e-6


def test_pauses_double_up_to_a_ceiling_and_begin_again():
    pauses = Backoff(1.0, 5.0, lambda: 1.0)
    assert [pauses.next() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    pauses.reset()
    assert pauses.next() == 1.0


def test_pauses_are_spread_over_their_upper_half():
    assert Backoff(1.0, 5.0, lambda: 0.0).next() == 0.5
    assert Backoff(1.0, 5.0, lambda: 0.999).next() == pytest.approx(1.0, abs=0.01)


# domain.md, 3.3, once more, so that a slip in the table is seen.
ACTIONS = {
    Verdict.ACCEPTED: "00",
    Verdict.THROTTLED: "58 14",
    Verdict.TRANSIENT: "08 45 64 FE FF",
    Verdict.SESSION: "04 05 0D 0E 0F 53",
    Verdict.RECIPIENT: "0B 50 51 65 66",
    Verdict.SENDER: "0A 48 49 15",
    Verdict.BUG: "01 02 03 06 07 33 34 40 42 43 44 54 55 61 62 63 C0 C1 C2 C3 C4 0C 11 13 67",
}


def test_every_status_has_its_action():
    expected = {int(code, 16): verdict for verdict, codes in ACTIONS.items() for code in codes.split()}
    assert dict(VERDICTS) == expected


@pytest.mark.parametrize("status", [0x400, 0x4FF, 0x10, 0x100])
def test_unknown_codes_are_the_vendors(status):
    assert verdict_on(status, {}) is Verdict.VENDOR


def test_a_gateway_may_have_its_own_meaning():
    assert verdict_on(0x401, {0x401: Verdict.THROTTLED}) is Verdict.THROTTLED
    assert verdict_on(0x58, {0x58: Verdict.TRANSIENT}) is Verdict.TRANSIENT


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "ninechars"}, "at most 8"),
        ({"access_number": "1" * 19}, "more than 20"),
        ({"urgent_bind": True}, "urgent_bind"),
        ({"binds": 4, "window": 3}, "window is smaller"),
        ({"system_id": "with space"}, "system_id"),
        ({"reference_tag": 0x0204}, "reference_tag"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message) as error:
        SMSSettings(**wrong)
    assert "ninechars" not in str(error.value)


def test_the_password_is_not_shown():
    assert "secret" not in repr(SMSSettings(password="secret"))
