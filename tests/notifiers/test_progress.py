"""What is kept of messages before they leave and as they are answered, so that it survives the process that sends them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from notifiers.ports import State
from tests.notifiers.conftest import LETTER, number, numbers, yes
from tests.notifiers.smsc import SMSC, Submitted, statuses

LONG = replace(LETTER, text="血" * 100)  # two parts
S, R, U, H = State.SENT, State.REFUSED, State.UNCERTAIN, State.HELD


class Diary:
    """`Progress` that remembers everything; `full` makes it fail."""

    def __init__(self) -> None:
        self.entries: list[tuple[tuple[int, ...], State, tuple[str, ...]]] = []
        self.full = False

    def note(self, places: Sequence[int], state: State, gateway_ids: Sequence[str] = ()) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.entries.append((tuple(places), state, tuple(gateway_ids)))

    def states(self, count: int) -> list[State | None]:
        """What a successor would find."""
        found: list[State | None] = [None] * count
        for places, state, _ in self.entries:
            for place in places:
                found[place] = state
        return found

    @property
    def in_doubt(self) -> int:
        return sum(state is State.UNCERTAIN for state in self.states(10_000))


def watched(diary: Diary, smsc: SMSC, then: Callable[[Submitted], None]) -> list[tuple[str, State | None]]:
    """By each number that reaches the gateway, what the diary said of it at that moment."""
    seen: list[tuple[str, State | None]] = []

    def script(submitted: Submitted) -> None:
        seen.append((submitted.to, diary.states(1000)[int(submitted.to[-8:])]))
        then(submitted)

    smsc.script = script
    return seen


async def test_that_a_message_may_have_left_is_kept_before_it_leaves_and_then_what_was_answered(smsc, channel):
    diary = Diary()
    seen = watched(diary, smsc, lambda submitted: submitted.answer(0, f"id{submitted.to[-3:]}"))
    sms = await channel(window=40)
    outcomes = await sms.send(LETTER, numbers(300), yes, progress=diary)
    assert outcomes.states == bytes([S]) * 300
    assert [state for _, state in seen] == [U] * 300
    assert diary.states(300) == [S] * 300
    ids = {place: known for places, _, given in diary.entries for place, known in zip(places, given, strict=False)}
    assert ids == dict(enumerate(outcomes.gateway_ids))


async def test_no_more_messages_are_in_doubt_than_the_window_has_places(smsc, channel):
    """Whenever the process dies: also while the gateway leaves some of every write unanswered for long."""
    diary, most = Diary(), 0
    waiting: list[Submitted] = []

    def script(submitted: Submitted) -> None:
        nonlocal most
        most = max(most, diary.in_doubt)
        if int(submitted.to) % 7 == 0:
            waiting.append(submitted)  # answered later than its neighbours
        else:
            submitted.answer(0, "id")
        while len(waiting) > (0 if submitted.to.endswith("399") else 5):
            waiting.pop(0).answer(0, "id")

    smsc.script = script
    sms = await channel(window=40)
    await sms.send(LETTER, numbers(400), yes, progress=diary)
    assert 0 < most <= 40


async def test_nothing_leaves_that_cannot_be_kept(smsc, channel):
    diary = Diary()
    diary.full = True
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(50), yes, progress=diary)
    assert outcomes.states == bytes([H]) * 50
    assert not smsc.submitted


async def test_an_answer_that_cannot_be_kept_leaves_doubt_and_harms_nobody(smsc, channel):
    diary = Diary()

    def fill(submitted: Submitted) -> None:
        diary.full = True
        submitted.answer(0, "id")

    watched(diary, smsc, fill)
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(20), yes, progress=diary)
    assert outcomes.states == bytes([S]) * 20
    assert diary.states(20) == [U] * 20


async def test_whether_a_message_may_leave_is_asked_once_more_after_it_was_kept(smsc, channel):
    """A process that is stopped between the question and the write must not send what its successor takes up."""
    diary, asked = Diary(), []

    def may_send() -> bool:
        asked.append(diary.states(5))
        return diary.states(5)[0] is None  # as if the lease had ended while the entry was written

    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(5), may_send, progress=diary)
    assert outcomes.states == bytes([H]) * 5
    assert [U] * 5 in asked
    assert diary.states(5) == [H] * 5  # so that a successor takes them up
    assert not smsc.submitted


async def test_a_bug_in_may_send_comes_back_to_its_caller_also_after_the_entry(smsc, channel):
    diary = Diary()

    def may_send() -> bool:
        if diary.entries:
            raise KeyError("a bug")
        return True

    sms = await channel()
    with pytest.raises(KeyError):
        await sms.send(LETTER, numbers(5), may_send, progress=diary)
    assert (await sms.send(LETTER, numbers(1), yes)).states == bytes([S])  # others' letters go on
    assert diary.states(5) == [H] * 5


@pytest.mark.parametrize(
    ("status", "state"),
    [(0x0B, R), (0x0A, R)],
)
async def test_a_refusal_is_kept(smsc, channel, status, state):
    diary = Diary()
    smsc.script = statuses(0, status, 0)(smsc)
    sms = await channel()
    await sms.send(LETTER, numbers(3), yes, progress=diary)
    assert diary.states(3) == [S, state, S]


async def test_what_the_gateway_throws_back_is_in_doubt_no_longer(smsc, channel):
    diary, thrown = Diary(), []

    def throttle_once(submitted: Submitted) -> None:
        first = submitted.to not in thrown
        thrown.append(submitted.to)
        submitted.answer(0x58 if first else 0, "id")

    watched(diary, smsc, throttle_once)
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(4), yes, progress=diary)
    assert outcomes.states == bytes([S]) * 4
    of_first = [state for places, state, _ in diary.entries if 0 in places]
    assert of_first == [U, H, U, S]


async def test_a_lost_link_leaves_in_doubt_what_was_not_answered(smsc, channel):
    diary = Diary()

    def script(submitted: Submitted) -> None:
        if submitted.to.endswith("03"):
            submitted.line.cut()
        elif int(submitted.to[-2:]) < 3:
            submitted.answer(0, "id")

    smsc.script = script
    sms = await channel(window=8)
    outcomes = await sms.send(LETTER, numbers(6), yes, progress=diary)
    assert [state for state in diary.states(6) if state is not None] == [
        State(state) for state in outcomes.states if state != H
    ]
    assert U in diary.states(6)


async def test_a_message_in_parts_is_sent_once_all_of_them_are_accepted(smsc, channel):
    diary = Diary()
    sms = await channel()
    outcomes = await sms.send(LONG, numbers(3), yes, progress=diary)
    assert diary.states(3) == [S, S, S]
    ids = {place: known for places, _, given in diary.entries for place, known in zip(places, given, strict=False)}
    assert ids == dict(enumerate(outcomes.gateway_ids))


async def test_a_message_of_which_only_a_part_is_accepted_stays_in_doubt(smsc, channel):
    diary = Diary()

    def script(submitted: Submitted) -> None:
        if submitted.message.octets[5] == 1:
            submitted.answer(0, "id")

    smsc.script = script
    sms = await channel(response_seconds=0.1)
    await sms.send(LONG, numbers(2), yes, progress=diary)
    assert diary.states(2) == [U, U]


async def test_places_are_those_of_the_addresses_whoever_is_barred_between_them(smsc, channel):
    diary = Diary()
    sms = await channel()
    outcomes = await sms.send(LETTER, [number(0), "nobody", number(2)], yes, members=[1, 2, 3], progress=diary)
    assert outcomes.states == bytes([S, R, S])
    assert diary.states(3) == [S, None, S]


async def test_others_who_wait_for_places_get_them_while_a_long_range_is_sent(smsc, channel):
    diary, waiting = Diary(), []
    smsc.script = waiting.append

    async def answer_one_by_one() -> None:
        """So that the window is never half empty by itself."""
        while True:
            await asyncio.sleep(0.001)
            if waiting:
                waiting.pop(0).answer(0, "id")

    sms = await channel(window=20)
    answering = asyncio.create_task(answer_one_by_one())
    mass = asyncio.create_task(sms.send(LETTER, numbers(300), yes, progress=diary))
    await smsc.until_submitted(18)
    places = await asyncio.wait_for(sms.window.take(20), 5)
    assert places >= 8
    assert len(smsc.submitted) < 200
    sms.window.give_back(places)
    assert (await mass).states == bytes([S]) * 300
    answering.cancel()


async def test_urgent_messages_overtake_a_range_whose_progress_is_kept(smsc, channel):
    """It may fill the window; the tenth that is kept free is enough for others, and they are written first."""
    diary, answers = Diary(), smsc.submitted
    smsc.script = lambda _: None
    sms = await channel(window=20, response_seconds=5.0)

    mass = asyncio.create_task(sms.send(LETTER, numbers(500), yes, progress=diary))
    await smsc.until_submitted(10)
    places = await asyncio.wait_for(sms.window.take(1, urgent=True), 1)
    urgent = asyncio.create_task(sms.send(LETTER, [number(900)], yes, urgent=True))
    await smsc.until(lambda: any(submitted.to.endswith("0900") for submitted in answers))
    assert len(answers) <= 20
    smsc.script = lambda submitted: submitted.answer(0, "id")
    for submitted in list(answers):
        submitted.answer(0, "id")
    await urgent
    sms.window.give_back(places, urgent=True)
    assert (await mass).states == bytes([S]) * 500
